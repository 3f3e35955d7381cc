//go:build darwin || linux

package clickhouse

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The analyst's limits. A request may lower them and never raise them.
const (
	analystSeconds    = 60
	analystMemory     = 512 << 20
	analystResultRows = 1_000_000
)

// sessionSQL turns a request's query string into the statements that prepare its session, in order. Only settings
// that are known to be harmless pass: among the engine's 1,700 are some that name files and hosts. Whatever isn't
// known is refused and not ignored, so that nobody believes in a limit that isn't there.
func sessionSQL(q url.Values, analyst bool, requestID string) ([]string, error) {
	role := "writer"
	if analyst {
		role = "analyst"
	}
	out := []string{"SET ROLE " + role}
	if db := q.Get("database"); db != "" && db != "default" {
		out = append(out, "USE "+quoteName(db))
	}

	var set []string
	limits := map[string]int64{
		"max_execution_time": analystSeconds, "max_memory_usage": analystMemory, "max_result_rows": analystResultRows,
	}
	names := make([]string, 0, len(q))
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names) // an error names the same setting every time
	for _, name := range names {
		value := q.Get(name)
		switch {
		case interfaceParameter(name):
		case strings.HasPrefix(name, "param_"):
			if !regexp.MustCompile(`^param_[A-Za-z_][A-Za-z0-9_]{0,127}$`).MatchString(name) {
				return nil, settingError(name)
			}
			set = append(set, name+" = "+quote(value))
		case analyst && limits[name] != 0:
			if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 {
				limits[name] = min(limits[name], n)
			}
		case allowedSetting(name):
			set = append(set, name+" = "+quote(value))
		default:
			return nil, settingError(name)
		}
	}

	set = append(set, "log_comment = "+quote(requestID))
	out = append(out, "SET "+strings.Join(set, ", "))
	if analyst {
		out = append(out, fmt.Sprintf("SET max_execution_time = %d, max_memory_usage = %d, max_result_rows = %d, "+
			"max_result_bytes = 1000000000, result_overflow_mode = 'throw', readonly = 1",
			limits["max_execution_time"], limits["max_memory_usage"], limits["max_result_rows"]))
	}
	return out, nil
}

func settingError(name string) error {
	if len(name) > 64 {
		name = name[:64]
	}
	return &engineError{Code: codeUnknownSetting, Message: fmt.Sprintf(
		"DB::Exception: the setting %q can't be given by URL here. (UNKNOWN_SETTING)", name)}
}

func quoteName(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}

// interfaceParameter reports whether a URL parameter speaks to the HTTP interface and not to the engine. The last
// ones have no meaning here: results are never gzipped, buffered to their end or counted against a quota.
func interfaceParameter(name string) bool {
	switch name {
	case "query", "database", "default_format", "compress", "decompress", "network_compression_method",
		"client_protocol_version",
		"query_id", "quota_key", "wait_end_of_query", "buffer_size", "enable_http_compression",
		"network_zstd_compression_level", "send_progress_in_http_headers":
		return true
	}
	return false
}

// allowedSetting reports whether a request may give a setting: limits, reading, inserting, and the look of values.
func allowedSetting(name string) bool {
	switch name {
	case "max_execution_time", "max_memory_usage", "max_result_rows", "max_result_bytes", "result_overflow_mode",
		"max_rows_to_read", "max_bytes_to_read", "read_overflow_mode", "timeout_overflow_mode", "readonly",
		"max_threads", "max_insert_threads", "max_block_size", "preferred_block_size_bytes", "priority",
		"max_bytes_before_external_group_by", "max_bytes_before_external_sort", "join_algorithm", "join_use_nulls",
		"max_rows_in_join", "max_bytes_in_join", "max_rows_to_group_by", "group_by_overflow_mode":
		return true
	case "final", "do_not_merge_across_partitions_select_final", "use_skip_indexes", "use_skip_indexes_if_final",
		"use_query_condition_cache", "optimize_read_in_order", "optimize_move_to_prewhere", "use_query_cache",
		"query_cache_ttl", "enable_optimize_predicate_expression", "query_plan_optimize_lazy_materialization",
		"optimize_aggregation_in_order", "prefer_localhost_replica", "transform_null_in", "session_timezone":
		return true
	case "async_insert", "wait_for_async_insert", "async_insert_deduplicate", "insert_deduplicate",
		"insert_deduplication_token", "deduplicate_blocks_in_dependent_materialized_views", "insert_quorum",
		"max_insert_block_size", "min_insert_block_size_rows", "min_insert_block_size_bytes",
		"max_partitions_per_insert_block", "throw_on_max_partitions_per_insert_block", "optimize_on_insert",
		"mutations_sync", "alter_sync", "lightweight_deletes_sync", "database_atomic_wait_for_drop_and_detach_synchronously":
		return true
	case "date_time_input_format", "date_time_output_format", "input_format_skip_unknown_fields",
		"input_format_null_as_default", "input_format_defaults_for_omitted_fields", "input_format_import_nested_json",
		"input_format_json_read_objects_as_strings", "output_format_json_quote_64bit_integers",
		"output_format_json_quote_denormals", "output_format_json_named_tuples_as_objects",
		"output_format_json_array_of_rows", "output_format_json_escape_forward_slashes",
		"output_format_native_encode_types_in_binary_format", "output_format_write_statistics":
		return true
	}
	return false
}
