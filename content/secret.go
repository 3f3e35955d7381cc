package content

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// Secret is one secret found in a text: text[Start:End].
type Secret struct {
	Kind  string
	Start int
	End   int
}

// maxSecrets bounds what Secrets returns, and what each detector finds.
const maxSecrets = 256

// Secrets returns the secrets in s by where they start, none overlapping another, 256 at
// the most. What documents and examples write in a secret's place (EXAMPLE, xxxx,
// <token>, ${TOKEN}, ***) is none.
//
// Expressions never run over the whole text: each is tried, in a window of fixed size, where
// a literal that it cannot match without occurs.
func Secrets(s string) []Secret {
	present := literals.in(s)
	if present == 0 {
		return nil
	}
	var found []Secret
	if present&privateKeyBit != 0 {
		found = privateKeys(found, s)
	}
	for i := range detectors {
		if present&(1<<i) != 0 {
			found = detectors[i].find(found, s)
		}
	}
	if present&webTokenBit != 0 {
		found = webTokens(found, s)
	}
	if present&assignmentBit != 0 {
		found = assignments(found, s)
	}
	return disjoint(found)
}

// disjoint sorts and drops what overlaps an earlier secret. A kind that is told by its
// form stays before one that is told by the name it was assigned to.
func disjoint(found []Secret) []Secret {
	slices.SortStableFunc(found, func(a, b Secret) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End))
	})
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
	return kept[:min(len(kept), maxSecrets)]
}

func isAssignedKind(kind string) bool {
	return kind == kindAssignment || kind == kindAuthorization
}

// detector finds secrets that have a form of their own.
type detector struct {
	kind string
	// literals: where none occurs there is no such secret.
	literals []string
	// back and window say what part of the text, around where a literal starts, the
	// expression is tried on. With back 0 the literal is a prefix: it must not follow a
	// letter or digit, and the expression must begin with ^.
	back, window int
	// least is how many bytes of a set follow the literal in a match, at the least.
	least int
	of    *[256]bool
	// holds is a byte that the match has, 0 for none: cheaper to look for than re is to try.
	holds byte
	// re finds the secret; its group, where it has one, is the secret proper.
	re    *regexp.Regexp
	check func(value string) bool
}

func (d *detector) find(found []Secret, s string) []Secret {
	if d.holds != 0 && strings.IndexByte(s, d.holds) < 0 {
		return found
	}
	most := len(found) + maxSecrets
	for _, literal := range d.literals {
		for from := 0; len(found) < most; {
			i := strings.Index(s[from:], literal)
			if i < 0 {
				break
			}
			i += from
			from = i + len(literal)
			if d.back == 0 && i > 0 && isWord(literal[0]) && isWord(s[i-1]) {
				continue
			}
			start := max(0, i-d.back)
			around := s[start:min(len(s), i+d.window)]
			if !d.mayMatch(s, i, literal) || !d.mayMatchIn(around, i-start+len(literal)) {
				continue
			}
			m := d.re.FindStringSubmatchIndex(around)
			if m == nil {
				continue
			}
			group := m[len(m)-2:]
			f := Secret{Kind: d.kind, Start: start + group[0], End: start + group[1]}
			if d.check(s[f.Start:f.End]) {
				found = append(found, f)
				from = max(from, f.End)
			}
		}
	}
	return found
}

// mayMatch is a cheap necessary condition on what stands around the literal at offset i.
func (d *detector) mayMatch(s string, i int, literal string) bool {
	if d.back > 0 && (i == 0 || s[i-1] < '0' || s[i-1] > '9') {
		return false // both that look back have a digit there
	}
	after := s[i+len(literal):]
	if len(after) < d.least {
		return false
	}
	for k := range d.least {
		if !d.of[after[k]] {
			return false
		}
	}
	return true
}

// mayMatchIn is another: an expression that fails on the beginning of a window, of which
// literal bytes are up to the literal's end, does not match. To try one on all of a window
// costs some microseconds.
func (d *detector) mayMatchIn(around string, literal int) bool {
	if d.holds != 0 && strings.IndexByte(around, d.holds) < 0 {
		return false
	}
	beginning := 2 * (literal + d.least)
	return d.least == 0 || beginning >= len(around) || d.re.MatchString(around[:beginning])
}

// The sets of letters that keys are made of.
var (
	isWordLetter  = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", false)
	isTokenLetter = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false)
	isKeyLetter   = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~+/=%", false)
)

func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// prefixed is a detector of tokens that begin with one of the literals.
func prefixed(kind string, least int, of *[256]bool, expression string, literals ...string) detector {
	return detector{kind: kind, literals: literals, least: least, of: of, window: 512, re: regexp.MustCompile("^" + expression), check: isKey}
}

// detectors is a table, never written to.
var detectors = []detector{
	prefixed("aws_access_key", 16, &isWordLetter, `[A-Z]{4}[A-Z2-7]{16}\b`, "AKIA", "ASIA", "ABIA", "ACCA"),
	{
		kind: "azure_storage_key", literals: []string{"AccountKey="}, least: 86, of: &isKeyLetter, window: 128,
		re: regexp.MustCompile(`^AccountKey=([A-Za-z0-9+/]{86}==)`), check: isKey,
	},
	{
		kind: "azure_sas", literals: []string{"&sig=", "?sig="}, least: 40, of: &isKeyLetter, window: 160,
		re: regexp.MustCompile(`^.sig=([A-Za-z0-9%+/]{40,100}(?:=|%3[dD])?)`), check: isKey,
	},
	{
		kind: "azure_client_secret", literals: []string{"Q~"}, least: 31, of: &isKeyLetter, back: 4, window: 40,
		re: regexp.MustCompile(`[a-zA-Z0-9_~.]{3}\dQ~[a-zA-Z0-9_~.-]{31,34}`), check: isKey,
	},
	prefixed("google_api_key", 35, &isTokenLetter, `AIza[0-9A-Za-z_-]{35}`, "AIza"),
	prefixed("google_oauth", 20, &isTokenLetter, `(?:ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{28})`, "ya29.", "GOCSPX-"),
	prefixed("digitalocean_token", 64, &isWordLetter, `do[opr]_v1_[a-f0-9]{64}\b`, "dop_v1_", "doo_v1_", "dor_v1_"),
	prefixed("github_token", 36, &isWordLetter, `gh[pousr]_[A-Za-z0-9]{36,251}\b`, "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
	prefixed("github_token", 63, &isTokenLetter, `github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{40,}`, "github_pat_"),
	prefixed("gitlab_token", 20, &isTokenLetter, `gl[a-z]+-[0-9A-Za-z_-]{20,}`, "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glsoat-", "glagent-", "gloas-"),
	prefixed("slack_token", 25, &isTokenLetter, `xox[abeoprs]-[0-9A-Za-z-]{24,}`, "xox"),
	prefixed("slack_token", 52, &isTokenLetter, `xapp-\d-[A-Z0-9]{8,20}-\d{8,20}-[a-z0-9]{32,}`, "xapp-"),
	{
		kind: "slack_webhook", literals: []string{"hooks.slack.com/"}, least: 45, of: &isKeyLetter, window: 160,
		re: regexp.MustCompile(`^hooks\.slack\.com/(?:services|workflows)/(T[A-Z0-9]{7,12}/[A-Z0-9]{7,12}/[A-Za-z0-9]{20,40})`), check: isKey,
	},
	prefixed("stripe_key", 16, &isWordLetter, `[sr]k_live_[0-9A-Za-z]{16,}`, "sk_live_", "rk_live_"),
	prefixed("stripe_webhook_secret", 32, &isKeyLetter, `whsec_[0-9A-Za-z+/=]{32,}`, "whsec_"),
	prefixed("anthropic_key", 37, &isTokenLetter, `sk-ant-[a-z]{2,8}\d{2}-[A-Za-z0-9_-]{32,}`, "sk-ant-"),
	prefixed("openai_key", 32, &isTokenLetter, `sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{32,}`, "sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"),
	prefixed("openai_key", 48, &isWordLetter, `sk-(?:[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}\b|[A-Za-z0-9]{48}\b)`, "sk-"),
	prefixed("huggingface_token", 34, &isWordLetter, `hf_[A-Za-z0-9]{34}\b`, "hf_"),
	prefixed("npm_token", 36, &isWordLetter, `npm_[A-Za-z0-9]{36}\b`, "npm_"),
	prefixed("pypi_token", 50, &isTokenLetter, `pypi-AgE[A-Za-z0-9_-]{50,}`, "pypi-AgE"),
	prefixed("docker_token", 27, &isTokenLetter, `dckr_[a-z]{3}_[A-Za-z0-9_-]{27,}`, "dckr_pat_", "dckr_oat_"),
	prefixed("vault_token", 24, &isTokenLetter, `hv[sb]\.[A-Za-z0-9_-]{24,}`, "hvs.", "hvb."),
	prefixed("sendgrid_key", 66, &isKeyLetter, `SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}`, "SG."),
	prefixed("shopify_token", 32, &isWordLetter, `shp[a-z]{2}_[a-fA-F0-9]{32}\b`, "shpat_", "shpca_", "shppa_", "shpss_"),
	prefixed("linear_key", 40, &isWordLetter, `lin_api_[A-Za-z0-9]{40}\b`, "lin_api_"),
	prefixed("notion_token", 43, &isWordLetter, `ntn_[A-Za-z0-9]{43,}`, "ntn_"),
	prefixed("age_key", 58, &isWordLetter, `AGE-SECRET-KEY-1[0-9A-Z]{58}\b`, "AGE-SECRET-KEY-1"),
	{
		kind: "telegram_token", literals: []string{":AA"}, least: 33, of: &isTokenLetter, back: 11, window: 40,
		re: regexp.MustCompile(`\b\d{8,10}:AA[A-Za-z0-9_-]{33}`), check: isKey,
	},
	{
		kind: "url_password", literals: []string{"://"}, window: 256, holds: '@',
		re: regexp.MustCompile("^://[^\\s/:@\"'<>`]{0,80}:([^\\s/:@\"'<>`]{4,120})@[A-Za-z0-9\\[]"), check: isPassword,
	},
	{
		kind: kindAuthorization, literals: []string{"Bearer ", "bearer "}, least: 20, of: &isKeyLetter, window: 512,
		re: regexp.MustCompile(`^[Bb]earer ([A-Za-z0-9._~+/=-]{20,})`), check: isRandom,
	},
}
