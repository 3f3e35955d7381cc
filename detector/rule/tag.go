package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// safeMCP are the techniques of SAFE-MCP, without their T.
const safeMCP = `1001 1002 1003 1004 1005 1006 1007 1008 1009 1101 1102 1103 1104 1105 1106 1109 1110 1111 1112 1201 1202 1203 1204
1205 1206 1207 1301 1302 1303 1304 1305 1306 1307 1308 1309 1401 1402 1403 1404 1405 1406 1407 1408 1501 1502 1503 1504 1505 1506
1507 1601 1602 1603 1604 1605 1606 1701 1702 1703 1704 1705 1706 1707 1801 1802 1803 1804 1805 1901 1902 1903 1904 1910 1911 1912
1913 1914 1915 2101 2102 2103 2104 2105 2106 2107`

// The forms of the other frameworks' ids. ATLAS numbers its techniques on; newestATLAS is the
// newest that is known here.
var (
	top10   = regexp.MustCompile(`^(MCP|ASI|LLM)(0[1-9]|10)$`)
	atlasID = regexp.MustCompile(`^AML\.T(\d{4})(\.\d{3})?$`)
)

const newestATLAS = 112

// frameworks are those whose ids are checked.
var frameworks = []string{"safe-mcp", "owasp-mcp", "owasp-asi", "owasp-llm", "asi", "atlas"}

// checkTag says what is wrong with a tag of a known framework; "" is nothing. Other frameworks
// are a site's own.
func checkTag(tag string) string {
	framework, id, _ := strings.Cut(tag, ".")
	switch framework {
	case "safe-mcp":
		known := strings.Fields(safeMCP)
		number, ok := strings.CutPrefix(id, "T")
		switch {
		case ok && slices.Contains(known, number):
		case slices.Contains(known, strings.TrimLeft(id, "tT")):
			return "is no SAFE-MCP technique: did you mean safe-mcp.T" + strings.TrimLeft(id, "tT") + "?"
		default:
			return "is no SAFE-MCP technique that is known here, such as safe-mcp.T1001"
		}
	case "owasp-mcp", "asi", "owasp-asi", "owasp-llm":
		want := map[string]string{"owasp-mcp": "MCP", "asi": "ASI", "owasp-asi": "ASI", "owasp-llm": "LLM"}[framework]
		if !top10.MatchString(id) || !strings.HasPrefix(id, want) {
			return fmt.Sprintf("must be %s.%s01 to %s.%s10", framework, want, framework, want)
		}
	case "atlas":
		form := atlasID.FindStringSubmatch(id)
		if form == nil {
			return "must be like atlas.AML.T0051 or atlas.AML.T0051.001"
		}
		if n, err := strconv.Atoi(form[1]); err != nil || n > newestATLAS {
			return fmt.Sprintf("is newer than AML.T%04d, the newest that is known here", newestATLAS)
		}
	default:
		for _, known := range frameworks {
			if distance(strings.ReplaceAll(framework, "_", "-"), known) <= 1 && len(known) > len("asi") {
				return fmt.Sprintf("is of no framework that is known here: did you mean %s.%s?", known, id)
			}
		}
	}
	return ""
}
