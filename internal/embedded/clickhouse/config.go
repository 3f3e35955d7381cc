//go:build darwin || linux

package clickhouse

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// layout is where the child keeps its files below Options.Data.
type layout struct{ data string }

func (l layout) lock() string   { return filepath.Join(l.data, "lock") }
func (l layout) config() string { return filepath.Join(l.data, "config.xml") }
func (l layout) users() string  { return filepath.Join(l.data, "users.xml") }
func (l layout) engine() string { return filepath.Join(l.data, "engine") }

// writeConfig renders the engine's configuration. It holds no secret: the engine knows only the user `default`
// without a password, reachable by nobody but this process; who may speak to it is decided by the HTTP interface.
func writeConfig(l layout, maxMemory int64) error {
	if err := os.MkdirAll(l.engine(), 0o700); err != nil {
		return fmt.Errorf("creating the ClickHouse data directory: %w", err)
	}
	var path bytes.Buffer
	if err := xml.EscapeText(&path, []byte(l.users())); err != nil {
		return fmt.Errorf("writing the ClickHouse configuration: %w", err)
	}
	config := strings.NewReplacer(
		"{users}", path.String(),
		"{memory}", strconv.FormatInt(maxMemory, 10),
		"{cache}", strconv.FormatInt(max(maxMemory/64, 1<<20), 10),
		"{query}", strconv.FormatInt(maxMemory*3/4, 10),
	)
	for file, text := range map[string]string{l.config(): configXML, l.users(): usersXML} {
		if err := os.WriteFile(file, []byte(config.Replace(text)), 0o600); err != nil {
			return fmt.Errorf("writing the ClickHouse configuration: %w", err)
		}
	}
	return nil
}

// configXML is sized for one site and not for a database host: the defaults reserve caches of many gigabytes and
// start dozens of threads. A pool too small for its merge_tree thresholds would never run a mutation, so those are
// lowered with it.
const configXML = `<clickhouse>
  <users_config>{users}</users_config>
  <timezone>UTC</timezone>
  <max_server_memory_usage>{memory}</max_server_memory_usage>

  <mark_cache_size>{cache}</mark_cache_size>
  <primary_index_cache_size>{cache}</primary_index_cache_size>
  <index_mark_cache_size>{cache}</index_mark_cache_size>
  <index_uncompressed_cache_size>0</index_uncompressed_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <query_condition_cache_size>{cache}</query_condition_cache_size>
  <mmap_cache_size>64</mmap_cache_size>
  <compiled_expression_cache_size>0</compiled_expression_cache_size>
  <text_index_tokens_cache_size>{cache}</text_index_tokens_cache_size>
  <text_index_header_cache_size>{cache}</text_index_header_cache_size>
  <text_index_postings_cache_size>{cache}</text_index_postings_cache_size>
  <vector_similarity_index_cache_size>0</vector_similarity_index_cache_size>
  <iceberg_metadata_files_cache_size>0</iceberg_metadata_files_cache_size>

  <max_thread_pool_size>256</max_thread_pool_size>
  <max_thread_pool_free_size>8</max_thread_pool_free_size>
  <background_pool_size>2</background_pool_size>
  <background_merges_mutations_concurrency_ratio>2</background_merges_mutations_concurrency_ratio>
  <background_common_pool_size>2</background_common_pool_size>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
  <tables_loader_foreground_pool_size>2</tables_loader_foreground_pool_size>
  <tables_loader_background_pool_size>2</tables_loader_background_pool_size>
  <max_active_parts_loading_thread_pool_size>4</max_active_parts_loading_thread_pool_size>
  <max_outdated_parts_loading_thread_pool_size>2</max_outdated_parts_loading_thread_pool_size>
  <max_parts_cleaning_thread_pool_size>2</max_parts_cleaning_thread_pool_size>

  <merge_tree>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
</clickhouse>
`

// usersXML gives the one user two roles, and every session picks one. Neither has SOURCES, so that no statement can
// reach a file, a URL or another database by a table function; the analyst only reads.
const usersXML = `<clickhouse>
  <profiles><default>
    <async_insert>0</async_insert>
    <implicit_select>0</implicit_select>
    <allow_introspection_functions>0</allow_introspection_functions>
    <compile_expressions>0</compile_expressions>
    <compile_aggregate_expressions>0</compile_aggregate_expressions>
    <compile_sort_description>0</compile_sort_description>
    <max_memory_usage>{query}</max_memory_usage>
    <max_untracked_memory>1048576</max_untracked_memory>
  </default></profiles>
  <quotas><default></default></quotas>
  <roles>
    <writer><grants>
      <query>GRANT CHECK, SHOW, SELECT, INSERT, ALTER, CREATE, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, KILL QUERY, SYSTEM, dictGet ON *.*</query>
      <query>GRANT TABLE ENGINE ON *</query>
    </grants></writer>
    <analyst><grants>
      <query>GRANT SHOW, SELECT ON mcpwatch.*</query>
    </grants></analyst>
  </roles>
  <users><default>
    <password></password>
    <networks><ip>::1</ip><ip>127.0.0.1</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <grants><query>GRANT writer</query><query>GRANT analyst</query></grants>
  </default></users>
</clickhouse>
`
