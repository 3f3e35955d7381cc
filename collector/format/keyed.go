package format

import (
	"errors"

	"github.com/go-json-experiment/json"
)

// RecordsType is the content type of records with keys: on each line a JSON object with "key" and
// either "record", or "bytes" in base64 where the record is no UTF-8.
const RecordsType = "application/vnd.mcpwatch.records+ndjson"

// maxKey bounds a record's key, in bytes.
const maxKey = 64

// keyed is a record that whoever cut it from a file has named: one with the same key is the same
// record.
type keyed struct {
	Key    string `json:"key"`
	Record string `json:"record"`
	Bytes  []byte `json:"bytes"`
}

// ReadKeyed reads a line of RecordsType.
func ReadKeyed(line []byte) (key string, record []byte, err error) {
	var k keyed
	if err := json.Unmarshal(line, &k, lenient()); err != nil {
		return "", nil, errors.New("is no object with key and record")
	}
	if k.Key == "" || len(k.Key) > maxKey {
		return "", nil, errors.New("has no key of 1 to 64 bytes")
	}
	if k.Record == "" {
		return k.Key, k.Bytes, nil
	}
	return k.Key, []byte(k.Record), nil
}
