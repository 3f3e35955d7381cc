package finding

import (
	"fmt"

	"github.com/go-json-experiment/json"
)

// OCSF returns the finding as an OCSF 1.8.0 Detection Finding (class 2004, activity
// Create), as JSON. Product version is the version of mcpwatch that writes it.
func OCSF(f *Finding, productVersion string) ([]byte, error) {
	related := make([]map[string]any, len(f.Events))
	for i, id := range f.Events {
		related[i] = map[string]any{"uid": id}
	}
	doc := map[string]any{
		"activity_id":   1,
		"activity_name": "Create",
		"category_uid":  2,
		"class_uid":     2004,
		"class_name":    "Detection Finding",
		"type_uid":      200401,
		"time":          f.Time.UnixMilli(),
		"severity_id":   f.Severity.Rank(), // OCSF: 1 Informational to 5 Critical, as ours
		"status_id":     1,
		"is_alert":      f.Mode == Alert,
		"risk_score":    f.Risk,
		"message":       f.Title,
		"metadata": map[string]any{
			"version": "1.8.0",
			"uid":     f.ID,
			"product": map[string]any{"name": "mcpwatch", "vendor_name": "mcpwatch", "version": productVersion},
		},
		"finding_info": map[string]any{
			"uid":                  f.ID,
			"title":                f.Title,
			"types":                []string{f.Rule},
			"analytic":             map[string]any{"uid": f.Rule, "name": f.Title, "version": f.RuleVersion, "type_id": 1, "type": "Rule"},
			"created_time":         f.Time.UnixMilli(),
			"related_events":       related,
			"related_events_count": len(f.Events),
			"tags":                 tags(f.Tags),
		},
		"evidences": []map[string]any{{
			"actor": map[string]any{"user": map[string]any{"name": f.Agent.User, "uid": f.Actor}, "app_name": f.Agent.Name, "app_uid": f.Agent.ID},
			"api":   map[string]any{"operation": f.Method, "service": map[string]any{"name": f.Server.Name, "uid": f.Server.ID}},
		}},
		"resources": []map[string]any{{"name": f.Name, "type": "mcp." + f.Method}},
		"unmapped":  map[string]any{"tenant": f.Tenant, "session": f.Session, "control": f.Control, "key": f.Key},
	}
	data, err := json.Marshal(doc, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding finding %s as OCSF: %w", f.ID, err)
	}
	return data, nil
}

// tags gives OCSF's key_value objects, one a framework.
func tags(list []string) []map[string]any {
	out := make([]map[string]any, len(list))
	for i, t := range list {
		out[i] = map[string]any{"name": "tag", "value": t}
	}
	return out
}
