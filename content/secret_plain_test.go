package content

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// secretsPlainly finds secrets without the index: every detector reads the whole text, with
// a general regular expression.
func secretsPlainly(s string) []Secret {
	var found []Secret
	for i := range detectors {
		found = findPlainly(&detectors[i], found, s)
	}
	scan := secretScan{text: s}
	for i := range len(s) {
		if strings.HasPrefix(s[i:], "-----BEGIN ") {
			scan.privateKey(i)
		}
		if strings.HasPrefix(s[i:], "eyJ") {
			scan.webToken(i)
		}
	}
	found = append(found, scan.found...)
	found = assignmentsPlainly(found, s)
	return disjoint(found)
}

var general = func() (list [][2]*regexp.Regexp) {
	for _, d := range detectors {
		after := strings.ReplaceAll(d.after.expression, ",}", fmt.Sprintf(",%d}", maxRepeat))
		list = append(list, [2]*regexp.Regexp{regexp.MustCompile(`(?:` + d.before.expression + `)$`), regexp.MustCompile(`^(?:` + after + `)`)})
	}
	return list
}()

// findPlainly tries the expressions wherever a literal occurs.
func findPlainly(d *detector, found []Secret, s string) []Secret {
	for k := range detectors {
		if &detectors[k] != d {
			continue
		}
		for _, literal := range d.literals {
			for i := 0; ; i++ {
				n := strings.Index(s[i:], literal)
				if n < 0 {
					break
				}
				i += n
				if d.before.expression == "" && i > 0 && isWord(literal[0]) && isWord(s[i-1]) {
					continue
				}
				before := general[k][0].FindStringIndex(s[:i])
				after := general[k][1].FindStringSubmatchIndex(s[i+len(literal):])
				if before == nil || after == nil {
					continue
				}
				f := Secret{Kind: d.kind, Start: before[0], End: i + len(literal) + after[1]}
				if len(after) > 2 {
					f.Start, f.End = i+len(literal)+after[2], i+len(literal)+after[3]
				}
				if d.check(s[f.Start:f.End]) {
					found = append(found, f)
				}
			}
		}
	}
	return found
}

// assignmentsPlainly judges every name before a sign.
func assignmentsPlainly(found []Secret, s string) []Secret {
	for i := 0; i < len(s); i++ {
		if s[i] != '=' && s[i] != ':' {
			continue
		}
		name := nameBefore(s, i)
		if len(name) < 3 || strings.IndexByte("dDeEtTnNyYlL", name[len(name)-1]) < 0 {
			continue
		}
		name = strings.ToLower(name)
		start, end := valueAfter(s, i+1)
		kind := kindAssignment
		if isAuthorizationName(name) {
			kind = kindAuthorization
			start, end = afterScheme(s, start, end)
		} else if !isSecretName(name) {
			continue
		}
		if end < len(s) && s[end] == '(' { // a call, not a value
			continue
		}
		end = start + len(strings.TrimRight(s[start:end], ".:!?*|\\&"))
		if isRandom(s[start:end]) {
			found = append(found, Secret{Kind: kind, Start: start, End: end})
			i = end - 1
		}
	}
	return found
}

// Every word that names a secret, written in every way, before every sign.
func TestAssignmentsAreThoseFoundPlainly(t *testing.T) {
	words := []string{
		"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "accesskey", "authkey", "privatekey", "secretkey", "signingkey",
		"encryptionkey", "credential", "authorization", "proxy-authorization", "description", "key", "nextToken",
	}
	found := 0
	for _, word := range words {
		n := len(word)
		for _, name := range []string{
			word, strings.ToUpper(word), "x_" + word, word + "_", word[:n-1] + "_" + word[n-1:], word[:n-2] + "-" + word[n-2:], word[:n-3] + "." + word[n-3:],
			word[:1] + "_" + word[1:], word[:n-1] + "." + word[n-1:], word[:n-1] + "-" + word[n-1:], word + "s",
		} {
			for _, before := range []string{"", " ", "\"", "\\\"", "é", "1"} {
				for _, sign := range []string{"=", ":", " = ", "\t:\t", "\": \"", "' => '", "\\\":\\\"", " \" =", "     =", "\"    :", " "} {
					s := before + name + sign + "a1B2c3D4e5F6g7H8i9J0"
					got, want := Secrets(s), secretsPlainly(s)
					if !slices.Equal(got, want) {
						t.Errorf("Secrets(%q) = %+v, plainly %+v", s, got, want)
					}
					found += len(got)
				}
			}
		}
	}
	if found < 1000 {
		t.Errorf("%d found", found)
	}
}

// Texts made of what the index looks for, whole, in part and apart.
func TestSecretsAreThoseFoundPlainly(t *testing.T) {
	parts := []string{
		"=", ":", "\"", "'", " ", "\t", "\\\"", "\n", "-", "_", ".", ",", "(", "pwd", "password", "pass_word", "PassPhrase", "x-api-key", "apikey", "api_ke-y", "token",
		"nextToken", "secret", "credential", "Authorization", "proxy-authorization", "description", "Basic ", "key", "-----BEGIN ", "RSA PRIVATE KEY-----", "eyJ", "@", "://",
		"user:hunter22@db", "a1B2c3D4e5F6g7H8i9J0", "kLmN0pQrStUvWxYz12", "7", "8Q~", "T3BlbkFJ", "é", "-ſ", "K",
	}
	for i := range detectors {
		parts = append(parts, detectors[i].literals...)
	}
	rapid.Check(t, func(t *rapid.T) {
		token := rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom(parts).Draw(t, "literal") + rapid.StringMatching(`[A-Za-z0-9]{12,70}`).Draw(t, "random") + rapid.StringMatching(`([-._][A-Za-z0-9_-]{1,45})?`).Draw(t, "more")
		})
		assignment := rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom(parts).Draw(t, "name") + rapid.SampledFrom([]string{"=", ":", " = ", "\":\""}).Draw(t, "sign") + "a1B2c3D4e5F6g7H8i9J0"
		})
		part := rapid.OneOf(assignment, token, rapid.SampledFrom(parts), rapid.StringMatching(`[A-Za-z0-9]{1,40}`), rapid.StringMatching(`.{0,3}`))
		s := strings.Join(rapid.SliceOfN(part, 0, 30).Draw(t, "parts"), "")
		if isDense(s) {
			return
		}
		if got, want := Secrets(s), secretsPlainly(s); !slices.Equal(got, want) {
			t.Fatalf("Secrets(%q) = %+v, plainly %+v", s, got, want)
		}
	})
}

func FuzzSecretsAreThoseFoundPlainly(f *testing.F) {
	for i := range detectors {
		f.Add(detectors[i].literals[0] + "a1B2c3D4e5F6g7H8i9J0kLmN0pQrStUvWxYz12")
	}
	f.Add(`"api_key" : "a1B2c3D4e5F6g7H8"`)
	f.Fuzz(func(t *testing.T, s string) {
		if isDense(s) {
			return
		}
		if got, want := Secrets(s), secretsPlainly(s); !slices.Equal(got, want) {
			t.Fatalf("Secrets(%q) = %+v, plainly %+v", s, got, want)
		}
	})
}

// isDense reports texts in which some literals are not judged, because they may be in
// others' secrets.
func isDense(s string) bool {
	if strings.Count(s, "=")+strings.Count(s, ":") > maxNested {
		return true
	}
	for i := range detectors {
		n := 0
		for _, literal := range detectors[i].literals {
			n += strings.Count(s, literal)
		}
		if n > maxNested {
			return true
		}
	}
	return false
}

// Each literal is found whatever stands around it.
func TestIndexFindsEachLiteral(t *testing.T) {
	for i := range detectors {
		for _, literal := range detectors[i].literals {
			for _, around := range []string{"", " ", "\"", "é", "AKIA ", "1"} {
				scan := secretScan{text: around + literal + around}
				scan.run()
				if scan.progress[i].end == 0 {
					t.Errorf("%q is not found", scan.text)
				}
			}
		}
	}
}

func TestShapeRefuses(t *testing.T) {
	for _, expression := range []string{"a|bc", "(?:ab){2}", "a*", "^a", "(", "a.b"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("shapeOf(%q) is no panic", expression)
				}
			}()
			shapeOf(expression)
		}()
	}
}
