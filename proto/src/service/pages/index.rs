//! `/`: the node for people. One file: nothing is loaded from anywhere.

use alloc::string::String;
use core::fmt::{Display, Write};

use super::Millis;
use crate::Duration;
use crate::cache::CacheStats;
use crate::service::Facts;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"5\">\
<title>zerocache</title><style>\
:root{color-scheme:light dark}\
body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse;margin:.5em 0 1.5em}\
th,td{text-align:left;padding:.2em 1.2em .2em 0;border-bottom:1px solid #8884}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
h2{font-size:1.1em;margin:1.5em 0 0}code{font-size:.95em}.no{color:#c33}.yes{color:#283}\
</style></head><body>\n";

/// The page.
pub(super) fn index(facts: &Facts) -> String {
    let mut html = Html(String::from(HEAD));
    html.raw("<h1>zerocache <code>");
    match facts.id {
        Some(id) => html.text(id),
        None => html.text("(no id yet)"),
    }
    html.raw("</code></h1>\n<p>Region <b>");
    html.text(&facts.region);
    html.raw("</b>, ");
    html.text(facts.stage.as_str());
    html.raw(", up ");
    html.text(Uptime(facts.uptime));
    html.raw(", version ");
    html.text(facts.version);
    for addr in &facts.addresses {
        html.raw(", <code>");
        html.text(addr);
        html.raw("</code>");
    }
    html.raw("</p>\n");
    caches(&mut html, facts);
    peers(&mut html, facts);
    regions(&mut html, facts);
    traffic(&mut html, facts);
    html.raw(
        "<p><a href=\"/status\">status</a> <a href=\"/metrics\">metrics</a></p></body></html>\n",
    );
    html.0
}

fn caches(html: &mut Html, facts: &Facts) {
    html.raw("<h2>Cache</h2>\n");
    html.head(&[
        "", "=entries", "=of", "=bytes", "=of", "=hits", "=misses", "=evicted", "=expired",
    ]);
    for (name, cache) in [
        ("local", &facts.cache.local),
        ("remote", &facts.cache.remote),
    ] {
        let CacheStats {
            hits,
            misses,
            entries,
            max_entries,
            ..
        } = *cache;
        html.raw("<tr>");
        html.cell(name);
        html.number(entries);
        html.number(Limit(max_entries));
        html.number(cache.bytes);
        html.number(Limit(cache.max_bytes));
        html.number(hits);
        html.number(misses);
        html.number(cache.evictions);
        html.number(cache.expirations);
        html.raw("</tr>\n");
    }
    let graves = &facts.cache.tombstones;
    html.raw("<tr>");
    html.cell("tombstones");
    html.number(graves.entries);
    html.number(Limit(graves.max_entries));
    html.number(graves.bytes);
    html.number(Limit(graves.max_bytes));
    html.raw("<td></td><td></td>");
    html.number(graves.evictions);
    html.raw("<td></td></tr>\n</table>\n");
}

fn peers(html: &mut Html, facts: &Facts) {
    html.raw("<h2>Peers</h2>\n");
    if facts.peers.is_empty() {
        html.raw("<p>None seen.</p>\n");
        return;
    }
    html.head(&[
        "id",
        "region",
        "address",
        "kind",
        "health",
        "=round trip",
        "=waiting",
        "known by",
    ]);
    for peer in &facts.peers {
        html.raw("<tr>");
        html.cell(peer.id);
        html.cell(&peer.region);
        html.cell(peer.addr);
        html.cell(peer.kind());
        html.raw(if peer.routable {
            "<td class=\"yes\">"
        } else {
            "<td class=\"no\">"
        });
        html.text(peer.health);
        html.raw("</td>");
        html.latency(peer.rtt);
        html.number(peer.queued);
        html.raw("<td>");
        for source in &peer.sources {
            html.text(source);
            html.raw(" ");
        }
        html.raw("</td></tr>\n");
    }
    html.raw("</table>\n");
}

fn regions(html: &mut Html, facts: &Facts) {
    if facts.regions.is_empty() {
        return;
    }
    html.raw("<h2>Other regions, nearest first</h2>\n");
    html.head(&["=rank", "region", "=latency", "=routable nodes"]);
    for (rank, region) in facts.regions.iter().enumerate() {
        html.raw("<tr>");
        html.number(rank.saturating_add(1));
        html.cell(&region.name);
        html.latency(region.latency);
        html.number(region.routable);
        html.raw("</tr>\n");
    }
    html.raw("</table>\n");
}

fn traffic(html: &mut Html, facts: &Facts) {
    let (connections, queues) = (&facts.connections, &facts.queues);
    html.raw("<h2>Traffic</h2>\n<table>\n");
    for (name, number) in [
        ("connections open", connections.open),
        ("connections accepted", connections.accepted),
        ("connections refused", connections.refused),
        ("requests answered", connections.requests),
        ("writes spreading", queues.spreading),
        ("copies delivered", queues.delivered),
        ("copies failed", queues.failed),
        ("keys waiting for a peer", queues.waiting),
        ("keys given up", queues.dropped),
        ("stale copies ignored", facts.cache.stale),
        ("copies refused, clock ahead", facts.cache.refused_skew),
        ("values refused, too large", facts.cache.refused_size),
    ] {
        html.raw("<tr>");
        html.cell(name);
        html.number(number);
        html.raw("</tr>\n");
    }
    html.raw("</table>\n");
}

/// A page in the making. All that is not a constant of this file goes through [`text`](Self::text).
struct Html(String);

impl Html {
    fn raw(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    fn text(&mut self, text: impl Display) {
        // Writing to a string can not fail.
        let _ = write!(Escaped(&mut self.0), "{text}");
    }

    fn head(&mut self, columns: &[&'static str]) {
        self.raw("<table>\n<tr>");
        for column in columns {
            match column.strip_prefix('=') {
                Some(number) => {
                    self.raw("<th class=\"n\">");
                    self.text(number);
                }
                None => {
                    self.raw("<th>");
                    self.text(column);
                }
            }
            self.raw("</th>");
        }
        self.raw("</tr>\n");
    }

    fn cell(&mut self, text: impl Display) {
        self.raw("<td>");
        self.text(text);
        self.raw("</td>");
    }

    fn number(&mut self, number: impl Display) {
        self.raw("<td class=\"n\">");
        self.text(number);
        self.raw("</td>");
    }

    fn latency(&mut self, latency: Option<Duration>) {
        self.raw("<td class=\"n\">");
        if let Some(latency) = latency {
            self.text(format_args!("{} ms", Millis(latency)));
        }
        self.raw("</td>");
    }
}

struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

struct Limit(u64);

impl Display for Limit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            u64::MAX => f.write_str("unlimited"),
            limit => Display::fmt(&limit, f),
        }
    }
}

struct Uptime(Duration);

impl Display for Uptime {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let seconds = self.0.as_secs();
        let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
        let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
        if days > 0 {
            write!(f, "{days} d ")?;
        }
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}")
    }
}
