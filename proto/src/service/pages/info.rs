//! `/local_cache_info` and `/remote_cache_info`, byte for byte as stock writes them.

use alloc::string::String;

use super::json::Json;
use crate::cache::CacheStats;

/// The page of one cache.
pub(crate) fn info(stats: &CacheStats) -> String {
    let mut json = Json::default();
    json.object(|json| {
        json.key("hits").number(stats.hits);
        json.key("misses").number(stats.misses);
        json.key("maxsize").number(stats.max_entries);
        json.key("currsize").number(stats.entries);
    });
    json.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_and_blanks_are_those_of_stock() {
        let stats = CacheStats {
            hits: 2,
            misses: 1,
            entries: 1,
            max_entries: 1024,
            ..CacheStats::default()
        };
        let expected = r#"{"hits": 2, "misses": 1, "maxsize": 1024, "currsize": 1}"#;
        assert_eq!(info(&stats), expected);
    }
}
