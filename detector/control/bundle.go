package control

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strconv"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

// Bounds of a bundle: a record has to fit into one of Kafka's batches.
const (
	maxRecord = 3 << 20
	maxFiles  = 64 << 20 // bytes, unpacked
)

// pack puts the files that rules are loaded from into a zip archive, those of each folder under
// its number. It holds no times, so that the same files give the same bytes.
func pack(folders []rule.Folder) ([]byte, error) {
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	size := 0
	for n, f := range folders {
		err := f.Walk(func(name string) error {
			text, err := fs.ReadFile(f.Files, name)
			if err != nil {
				return err
			}
			if size += len(text); size > maxFiles {
				return fmt.Errorf("more than %d bytes of rules and lists", maxFiles)
			}
			file, err := w.Create(path.Join(strconv.Itoa(n), name))
			if err != nil {
				return err
			}
			_, err = file.Write(text)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("packing rules: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("packing rules: %w", err)
	}
	if packed.Len() > maxRecord {
		return nil, fmt.Errorf("packing rules: %d bytes when compressed, at most %d go into a record of Kafka: shorten the lists", packed.Len(), maxRecord)
	}
	return packed.Bytes(), nil
}

// unpack gives the folders that pack has packed; names are what they are called.
func unpack(packed []byte, names []string) ([]rule.Folder, error) {
	archive, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return nil, fmt.Errorf("unpacking rules: %w", err)
	}
	size := uint64(0)
	for _, f := range archive.File {
		if size += f.UncompressedSize64; f.UncompressedSize64 > maxFiles || size > maxFiles {
			return nil, fmt.Errorf("unpacking rules: more than %d bytes", maxFiles)
		}
	}
	folders := make([]rule.Folder, len(names))
	for n, name := range names {
		files, err := fs.Sub(archive, strconv.Itoa(n))
		if err != nil {
			return nil, fmt.Errorf("unpacking rules: %w", err)
		}
		folders[n] = rule.Folder{Name: name, Files: files}
	}
	return folders, nil
}
