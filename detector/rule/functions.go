package rule

import (
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/mcpwatch/mcpwatch/content"
)

// Function is a function that expressions call, beside CEL's own and its strings extension.
type Function struct {
	Name   string
	Result *cel.Type
	Doc    string
	call   func(string) ref.Val
}

// Functions lists what expressions can call. Each takes one string.
func Functions() []Function {
	list := func(values []string) ref.Val { return types.NewStringList(types.DefaultTypeAdapter, values) }
	return []Function{
		{"normalize", cel.StringType, "NFKC, lower case, hidden characters removed, white space folded.", func(s string) ref.Val {
			return types.String(content.Normalize(s))
		}},
		{"unescape", cel.StringType, "Percent, backslash and HTML escapes undone.", func(s string) ref.Val {
			return types.String(content.Unescape(s))
		}},
		{"hidden", cel.ListType(cel.StringType), "The kinds of hidden characters in the text.", func(s string) ref.Val {
			return list(content.Hidden(s))
		}},
		{"secrets", cel.ListType(cel.StringType), "The kinds of secrets in the text.", func(s string) ref.Val {
			return list(secretKinds(s))
		}},
		{"hosts", cel.ListType(cel.StringType), "The hosts of the URLs in the text, lower case.", func(s string) ref.Val {
			return list(content.Hosts(s))
		}},
		{"internal", cel.BoolType, "The host is loopback, private, link-local or a cloud's metadata service.", func(s string) ref.Val {
			return types.Bool(content.Internal(s))
		}},
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

func (f Function) option() cel.EnvOption {
	return cel.Function(f.Name, cel.Overload(f.Name+"_string", []*cel.Type{cel.StringType}, f.Result,
		cel.UnaryBinding(func(arg ref.Val) ref.Val {
			s, ok := arg.(types.String)
			if !ok {
				return types.MaybeNoSuchOverloadErr(arg)
			}
			return f.call(string(s))
		})))
}
