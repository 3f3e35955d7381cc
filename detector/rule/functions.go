package rule

import (
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/mcpwatch/mcpwatch/content"
	"github.com/mcpwatch/mcpwatch/detector/intel"
)

// Function is a function that expressions call, beside CEL's own and its strings extension.
type Function struct {
	Name   string
	Params []*cel.Type
	Result *cel.Type
	Doc    string

	// One of the two is the function. ofText is not to be called with a long text: see of.
	ofText func(string) ref.Val
	call   func(args ...ref.Val) ref.Val
	member bool // it is called as text.Name(list)
}

// Functions lists what expressions can call.
func Functions() []Function {
	return append([]Function{
		textOf("normalize", "NFKC, lower case, invisible characters (zero-width, tags, controls, terminal escapes) removed, white space folded.", content.Normalize),
		textOf("unescape", `Percent, \u, \x and HTML escapes undone, up to two levels deep.`, content.Unescape),
		textOf("reveal", "The text unescaped, then what is decoded in it (see decoded), one a line.", content.Reveal),
		listOfText("decoded", `What base64, hexadecimal and runs of \x in the text say, one level deep: 64 parts at the most.`, content.Decoded),
		listOfText("hidden", "The kinds of what a person does not see: zero_width, bidi_control, tag_characters, variation_selectors, ansi_escape, html_comment, whitespace_run, control.", content.Hidden),
		listOfText("secrets", "The kinds of secrets in the text: private_key, jwt, github_token and such; assignment and authorization where only a name tells. A secret that was taken out of the event is told by its marker.", secretKinds),
		listOfText("urls", "The URLs in the text, as they are written: 64 at the most.", content.URLs),
		listOfText("hosts", "The hosts of the URLs in the text, lower case, in punycode, numeric addresses in their usual form: 64 at the most.", content.Hosts),
		listOfText("domains", "The names with a dot in the text, in URLs or not, lower case, in punycode: 64 at the most.", content.Domains),
		listOfText("hashes", "The MD5, SHA-1 and SHA-2 digests in the text, lower case: 64 at the most.", content.Hashes),
		textOf("domain", "The registrable domain of a host (public suffix list), or the host where it has none.", content.Domain),
		textOf("subdomain", "What stands before the registrable domain of a host.", content.Subdomain),
		listOfText("addresses", "The IP addresses in the text: 64 at the most.", content.Addresses),
		textOf("address", "The IP address that a host is, however it is written (decimal, octal, hexadecimal, short, in IPv6), else the empty string.", content.Address),
		boolOfText("internal", "The host is loopback, private, link-local or a cloud's metadata service.", content.Internal),
		listOfText("paths", "The file paths in the text, cleaned: 64 at the most.", content.Paths),
		boolOfText("traverses", "A path in the text has a `..` part.", content.Traverses),
		{
			Name: "entropy", Params: []*cel.Type{cel.StringType}, Result: cel.DoubleType, Doc: "Shannon entropy, bits a byte: 0 to 8.",
			ofText: func(s string) ref.Val { return types.Double(content.Entropy(s)) },
		},
		{
			Name: "listed", Params: []*cel.Type{cel.StringType, cel.ListType(cel.StringType)}, Result: cel.BoolType,
			Doc: "The host, or a domain above it, is in the list; of a list of a kind, the same as `in`.", call: listed,
		},
	}, listFunctions()...)
}

func textOf(name, doc string, of func(string) string) Function {
	return Function{
		Name: name, Params: []*cel.Type{cel.StringType}, Result: cel.StringType, Doc: doc,
		ofText: func(s string) ref.Val { return types.String(of(s)) },
	}
}

func listOfText(name, doc string, of func(string) []string) Function {
	return Function{
		Name: name, Params: []*cel.Type{cel.StringType}, Result: cel.ListType(cel.StringType), Doc: doc,
		ofText: func(s string) ref.Val { return types.NewStringList(types.DefaultTypeAdapter, of(s)) },
	}
}

func boolOfText(name, doc string, of func(string) bool) Function {
	return Function{
		Name: name, Params: []*cel.Type{cel.StringType}, Result: cel.BoolType, Doc: doc,
		ofText: func(s string) ref.Val { return types.Bool(of(s)) },
	}
}

func secretKinds(s string) []string {
	var kinds []string
	for _, secret := range content.Secrets(s) {
		kinds = append(kinds, secret.Kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// of is the function of a text; of a long one, of its head and tail, as everywhere.
func (f *Function) of(text string) ref.Val {
	if head, tail := middle(text); head < tail {
		text = text[:head] + "\n" + text[tail:]
	}
	return f.ofText(text)
}

// longestHost is what listed looks for at the most: names of DNS are no longer.
const longestHost = 254

// listed looks for a host and the domains above it in a list.
func listed(args ...ref.Val) ref.Val {
	host, ok := args[0].(types.String)
	list, isList := args[1].(traits.Container)
	if !ok || !isList {
		return types.MaybeNoSuchOverloadErr(args[0])
	}
	if len(host) > longestHost {
		return types.False
	}
	if named, is := args[1].(*namedList); is && named.set.Kind() != intel.Plain {
		return named.Contains(host)
	}
	for name := strings.TrimSuffix(strings.ToLower(string(host)), "."); name != ""; {
		if list.Contains(types.String(name)) == types.True {
			return types.True
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return types.False
}

func (f *Function) option() cel.EnvOption {
	binding := cel.FunctionBinding(f.call)
	if f.ofText != nil {
		binding = cel.UnaryBinding(func(arg ref.Val) ref.Val {
			s, ok := arg.(types.String)
			if !ok {
				return types.MaybeNoSuchOverloadErr(arg)
			}
			return f.of(string(s))
		})
	}
	if f.member {
		return cel.Function(f.Name, cel.MemberOverload("string_"+f.Name, f.Params, f.Result, binding))
	}
	return cel.Function(f.Name, cel.Overload(f.Name+"_string", f.Params, f.Result, binding))
}
