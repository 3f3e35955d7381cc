package content

import (
	"cmp"
	"slices"
	"strings"
)

// Secret is one secret found in a text: text[Start:End].
type Secret struct {
	Kind  string
	Start int
	End   int
}

const (
	// maxOfKind bounds how many secrets one detector finds, so that many of one kind do not
	// hide another.
	maxOfKind = 32
	// maxNested secrets inside another are judged: each is read to its end.
	maxNested = 2
)

// Secrets returns the secrets in s by where they start, none overlapping another, 32 of
// one form at the most. What documents and examples write in a secret's place (EXAMPLE,
// xxxx, <token>, ${TOKEN}, ***) is none.
//
// The text is read once for the literals that secrets cannot be without; what stands
// around one is read where it occurs. A secret that was taken out of the text is found by its
// Marker, each of them.
func Secrets(s string) []Secret {
	scan := secretScan{text: s}
	scan.run()
	return disjoint(scan.found)
}

// RestOfSecret is the kind of what AllSecrets finds beside the kinds of Secrets.
const RestOfSecret = "rest"

// AllSecrets returns what is to be taken out of s: what Secrets finds, however many, and, as
// RestOfSecret, what is left where one secret reaches beyond another, and the lines of a private key
// that nothing closes. What markers stand for is out already.
func AllSecrets(s string) []Secret {
	scan := secretScan{text: s, all: true}
	scan.run()
	all := slices.Clone(scan.found)
	kept := disjoint(slices.DeleteFunc(scan.found, func(f Secret) bool { return f.Kind == RestOfSecret }))
	if len(all) == len(kept) {
		return kept
	}
	slices.SortStableFunc(all, inOrder)
	var rests []Secret
	at, next := 0, 0 // what is before at is taken; kept[next] is the first that ends behind it
	for _, f := range all {
		for at = max(at, f.Start); at < f.End; {
			for next < len(kept) && kept[next].End <= at {
				next++
			}
			end := f.End
			if next < len(kept) {
				end = min(end, kept[next].Start)
			}
			if end > at {
				rests = append(rests, Secret{RestOfSecret, at, end})
			}
			if at = end; next < len(kept) && at < f.End {
				at = kept[next].End
			}
		}
	}
	all = append(append(all[:0], kept...), rests...)
	slices.SortFunc(all, inOrder)
	return all
}

// SecretMember reports whether the value of an object's member, by the member's name, is a secret:
// a password that is not a usual stand-in for one, or a token or key that looks random.
func SecretMember(name, value string) bool {
	if len(value) < 4 || len(name) > 64 || !secretNameEnds(name) {
		return false
	}
	name = strings.ToLower(name)
	if !isSecretName(name) && !isAuthorizationName(name) {
		return false
	}
	for _, word := range []string{"password", "passwd", "passphrase", "pwd"} {
		if strings.HasSuffix(name, word) {
			return len(value) <= 1024 && isPassword(value)
		}
	}
	return isRandom(value)
}

// secretNameEnds is a cheap necessary condition on a name: the last two letters of the words of
// isSecretName.
func secretNameEnds(name string) bool {
	if len(name) < 3 {
		return false
	}
	switch [2]byte{name[len(name)-2] | 0x20, name[len(name)-1] | 0x20} {
	case [2]byte{'r', 'd'}, [2]byte{'w', 'd'}, [2]byte{'s', 'e'}, [2]byte{'e', 't'}, [2]byte{'e', 'n'}, [2]byte{'e', 'y'}, [2]byte{'a', 'l'}, [2]byte{'o', 'n'}:
		return true
	}
	return false
}

// disjoint sorts and drops what overlaps an earlier secret. A kind that is told by its
// form stays before one that is told by the name it was assigned to.
func disjoint(found []Secret) []Secret {
	slices.SortStableFunc(found, inOrder)
	kept := found[:0]
	for _, f := range found {
		if n := len(kept); n > 0 && f.Start < kept[n-1].End {
			if isAssignedKind(kept[n-1].Kind) && !isAssignedKind(f.Kind) {
				kept[n-1] = f
			}
			continue
		}
		kept = append(kept, f)
	}
	return kept
}

func inOrder(a, b Secret) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End))
}

func isAssignedKind(kind string) bool {
	return kind == kindAssignment || kind == kindAuthorization
}

// detector finds secrets that have a form of their own.
type detector struct {
	kind string
	// literals: one of them is in each such secret. Where nothing is before it, it must not
	// follow a letter or digit.
	literals []string
	// before and after are what stands around the literal. The group in after, where it has
	// one, is the secret proper.
	before, after shape
	check         func(value string) bool
}

// find returns the secret around the literal text[start:end], and how far it was read.
func (d *detector) find(text string, start, end int) (found Secret, read int, ok bool) {
	if len(d.before.pieces) == 0 && start > 0 && isWord(text[start]) && isWord(text[start-1]) {
		return found, end, false
	}
	begin, ok := d.before.matchBack(text, start)
	if !ok {
		return found, end, false
	}
	m, ok := d.after.match(text, end)
	if !ok {
		return found, end, false
	}
	found = Secret{Kind: d.kind, Start: begin, End: m.end}
	if m.groupEnd > 0 {
		found.Start, found.End = m.group, m.groupEnd
	}
	return found, m.end, d.check(text[found.Start:found.End])
}

func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// prefixed is a detector of tokens that begin with one of the literals.
func prefixed(kind, after string, literals ...string) detector {
	return detector{kind: kind, literals: literals, after: shapeOf(after), check: isKey}
}

// detectors is a table, never written to.
var detectors = []detector{
	prefixed("aws_access_key", `[A-Z2-7]{16}\b`, "AKIA", "ASIA", "ABIA", "ACCA"),
	prefixed("azure_storage_key", `([A-Za-z0-9+/]{86}==)`, "AccountKey="),
	prefixed("azure_sas", `([A-Za-z0-9%+/]{40,100}=?)`, "&sig=", "?sig="),
	{
		kind: "azure_client_secret", literals: []string{"0Q~", "1Q~", "2Q~", "3Q~", "4Q~", "5Q~", "6Q~", "7Q~", "8Q~", "9Q~"},
		before: shapeOf(`[a-zA-Z0-9_~.]{3}`), after: shapeOf(`[a-zA-Z0-9_~.-]{31,34}`), check: isKey,
	},
	prefixed("google_api_key", `[0-9A-Za-z_-]{35}`, "AIza"),
	prefixed("google_oauth", `[0-9A-Za-z_-]{20,}`, "ya29."),
	prefixed("google_oauth", `[0-9A-Za-z_-]{28}`, "GOCSPX-"),
	prefixed("digitalocean_token", `[a-f0-9]{64}\b`, "dop_v1_", "doo_v1_", "dor_v1_"),
	prefixed("github_token", `[A-Za-z0-9]{36,251}\b`, "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
	prefixed("github_token", `[A-Za-z0-9]{22}_[A-Za-z0-9]{40,}`, "github_pat_"),
	prefixed("gitlab_token", `[0-9A-Za-z_-]{20,}`, "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glsoat-", "glagent-", "gloas-"),
	prefixed("slack_token", `[abeoprs]-[0-9A-Za-z-]{24,}`, "xox"),
	prefixed("slack_token", `\d-[A-Z0-9]{8,20}-\d{8,20}-[a-z0-9]{32,}`, "xapp-"),
	prefixed("slack_webhook", `(T[A-Z0-9]{7,12}/[A-Z0-9]{7,12}/[A-Za-z0-9]{20,40})`, "hooks.slack.com/services/", "hooks.slack.com/workflows/"),
	prefixed("stripe_key", `[0-9A-Za-z]{16,}`, "sk_live_", "rk_live_"),
	prefixed("stripe_webhook_secret", `[0-9A-Za-z+/=]{32,}`, "whsec_"),
	prefixed("anthropic_key", `[a-z]{2,8}\d{2}-[A-Za-z0-9_-]{32,}`, "sk-ant-"),
	prefixed("openai_key", `[A-Za-z0-9_-]{32,}`, "sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"),
	prefixed("openai_key", `[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}\b`, "sk-"),
	prefixed("openai_key", `[A-Za-z0-9]{48}\b`, "sk-"),
	prefixed("huggingface_token", `[A-Za-z0-9]{34}\b`, "hf_"),
	prefixed("npm_token", `[A-Za-z0-9]{36}\b`, "npm_"),
	prefixed("pypi_token", `[A-Za-z0-9_-]{50,}`, "pypi-AgE"),
	prefixed("docker_token", `[A-Za-z0-9_-]{27,}`, "dckr_pat_", "dckr_oat_"),
	prefixed("vault_token", `[A-Za-z0-9_-]{24,}`, "hvs.", "hvb."),
	prefixed("sendgrid_key", `[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}`, "SG."),
	prefixed("shopify_token", `[a-fA-F0-9]{32}\b`, "shpat_", "shpca_", "shppa_", "shpss_"),
	prefixed("linear_key", `[A-Za-z0-9]{40}\b`, "lin_api_"),
	prefixed("notion_token", `[A-Za-z0-9]{43,}`, "ntn_"),
	prefixed("age_key", `[0-9A-Z]{58}\b`, "AGE-SECRET-KEY-1"),
	{
		kind: "telegram_token", literals: []string{":AA"},
		before: shapeOf(`\b\d{8,10}`), after: shapeOf(`[A-Za-z0-9_-]{33}`), check: isKey,
	},
	{
		kind: "url_password", literals: []string{"://"},
		after: shapeOf("[^\\s/:@\"'<>`]{0,80}:([^\\s/:@\"'<>`]{4,120})@[A-Za-z0-9\\[]"), check: isPassword,
	},
	{
		kind: kindAuthorization, literals: []string{"Bearer ", "bearer "},
		after: shapeOf(`([A-Za-z0-9._~+/=-]{20,})`), check: isRandom,
	},
}
