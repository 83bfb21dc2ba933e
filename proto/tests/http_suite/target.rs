//! Paths and queries.

use std::time::Duration;

use zerocache_proto::http::{HttpDate, InvalidTarget, Target};

fn segments(path: &str) -> Vec<Vec<u8>> {
    let target = Target::parse(path.as_bytes(), None).unwrap();
    target.segments().iter().map(|s| s.to_vec()).collect()
}

fn key(path: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let target = Target::parse(path.as_bytes(), None).unwrap();
    let name = target.key().unwrap()?;
    Some((name.region.to_vec(), name.key.to_vec()))
}

#[test]
fn paths_of_keys() {
    let cases: [(&str, &[u8]); 14] = [
        ("/london/key", b"key"),
        ("//london///key", b"key"),
        ("/london/a%20b", b"a b"),
        ("/london/a%2Fb%2f", b"a/b/"),
        ("/london/%41", b"A"),
        ("/london/%2541", b"%41"),
        ("/london/a+b", b"a+b"),
        ("/london/caf%C3%A9", "caf\u{e9}".as_bytes()),
        ("/london/caf\u{e9}", "caf\u{e9}".as_bytes()),
        ("/london/%00%FF", b"\0\xff"),
        ("/london/%2e%2E", b".."),
        ("/london/.", b"."),
        ("/london/%3F%23", b"?#"),
        ("/london/&=;:@,<\"", b"&=;:@,<\""),
    ];
    for (path, expected) in cases {
        let (region, key) = key(path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(
            (region.as_slice(), key.as_slice()),
            (&b"london"[..], expected),
            "{path}"
        );
    }
}

#[test]
fn paths_of_no_key() {
    for path in [
        "/",
        "//",
        "/london",
        "/london/",
        "/london/k/",
        "/a/b/c",
        "/_zc/1/members",
        "*",
    ] {
        assert_eq!(key(path), None, "{path}");
    }
    assert!(segments("/").is_empty() && segments("///").is_empty());
    assert_eq!(segments("/ping"), [b"ping"]);
    assert_eq!(segments("/london/"), [&b"london"[..], b""]);
    assert_eq!(segments("/_zc/1/members"), [&b"_zc"[..], b"1", b"members"]);
    let deep = Target::parse(b"/a/b/c/d/e", None);
    assert_eq!(deep, Err(InvalidTarget::TooDeep));
}

#[test]
fn malformed_escapes_are_refused() {
    for path in [
        "/a/%", "/a/%4", "/a/%zz", "/a/b%4g", "/%/b", "/a/%%41", "/a/%+1",
    ] {
        let target = Target::parse(path.as_bytes(), None);
        assert_eq!(target, Err(InvalidTarget::Malformed), "{path}");
    }
}

#[test]
fn keys_of_1_to_4096_bytes() {
    let path = |n| format!("/r/{}", "%61".repeat(n));
    assert_eq!(key(&path(4096)).unwrap().1, vec![b'a'; 4096]);
    let long = path(4097);
    let target = Target::parse(long.as_bytes(), None).unwrap();
    assert_eq!(target.key(), Err(InvalidTarget::KeyTooLong));
}

fn with(query: &str) -> Target<'_> {
    Target::parse(b"/a/b", Some(query.as_bytes())).unwrap()
}

#[test]
fn expiry_is_read_as_the_stock_node_reads_it() {
    let many = |n: usize| format!("expiry={}", "1".repeat(n));
    let zeros = format!("expiry={}7", "0".repeat(4299));
    let too_many_zeros = format!("expiry={}7", "0".repeat(4300));
    let spaced = format!("expiry={}", "1_".repeat(4299) + "1");
    let cases = [
        ("expiry=5", Some(5)),
        ("expiry=+5", Some(5)),
        ("expiry=%2B5", Some(5)),
        ("expiry=007", Some(7)),
        ("expiry=1_000", Some(1000)),
        ("expiry=%205%20", Some(5)),
        ("expiry=++5", Some(5)),
        ("expiry=%095%0a%0b%0c%0d%1c%1f", Some(5)),
        ("expiry=0", Some(1)),
        ("expiry=-5", Some(1)),
        ("expiry=-99999999999", Some(1)),
        ("expiry=99999999", Some(99_999_999)),
        ("expiry=100000000", Some(99_999_999)),
        ("expiry=10000000000000000000000000", Some(99_999_999)),
        ("expiry=%35", Some(5)),
        ("%65xpiry=5", Some(5)),
        ("expiry=1&expiry=2", Some(2)),
        ("expiry=1&expiry=x", None),
        ("a=b&expiry=5&", Some(5)),
        ("expiry=5;recurse=0", None),
        ("expiry=1.5", None),
        ("expiry=1e3", None),
        ("expiry=0x10", None),
        ("expiry=abc", None),
        ("expiry=", None),
        ("expiry", None),
        ("Expiry=5", None),
        ("expiry=5%", None),
        ("expiry=%2B%205", None),
        ("expiry=%2B-5", None),
        ("expiry=_5", None),
        ("expiry=5_", None),
        ("expiry=1__0", None),
        ("expiry=-", None),
        ("expiry=-_5", None),
        ("expiry=5%005", None),
        ("", None),
        (&many(4300), Some(99_999_999)),
        (&many(4301), None),
        (&zeros, Some(7)),
        (&too_many_zeros, None),
        (&spaced, Some(99_999_999)),
    ];
    for (query, expiry) in cases {
        assert_eq!(
            with(query).expiry(),
            expiry,
            "{}",
            &query[..query.len().min(50)]
        );
    }
    assert_eq!(with("expiry=5").ttl(), Duration::from_secs(5));
    assert_eq!(with("expiry=x").ttl(), Duration::from_secs(3600));
    let bare = Target::parse(b"/a/b", None).unwrap();
    assert_eq!(
        (bare.expiry(), bare.recurse(), bare.has_query()),
        (None, true, false)
    );
    assert!(with("").has_query());
}

#[test]
fn recurse_is_absent_or_exactly_1() {
    for (query, recurse) in [
        ("", true),
        ("expiry=5", true),
        ("recurse=1", true),
        ("recurse=%31", true),
        ("recurse=0&recurse=1", true),
        ("recurse=1&recurse=0", false),
        ("recurse=0", false),
        ("recurse=00", false),
        ("recurse=2", false),
        ("recurse=+1", false),
        ("recurse=true", false),
        ("recurse=", false),
        ("recurse", false),
        ("recurse=1;", false),
        ("Recurse=0", true),
    ] {
        assert_eq!(with(query).recurse(), recurse, "{query}");
    }
}

#[test]
fn dates() {
    for (seconds, text) in [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (946_684_799, "Fri, 31 Dec 1999 23:59:59 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
        (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
        (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        let date = HttpDate::from_unix_seconds(seconds);
        assert_eq!(std::str::from_utf8(date.as_bytes()).unwrap(), text);
    }
}

#[test]
fn dates_of_every_day_of_eight_centuries() {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let mut day = 0;
    for year in 1970..2770 {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        for (month, name) in MONTHS.iter().enumerate() {
            let days = match month {
                1 if leap => 29,
                1 => 28,
                3 | 5 | 8 | 10 => 30,
                _ => 31,
            };
            for of_month in 1..=days {
                let text = format!(
                    "{}, {of_month:02} {name} {year} 12:00:00 GMT",
                    DAYS[day % 7]
                );
                let date = HttpDate::from_unix_seconds(day as u64 * 86_400 + 43_200);
                assert_eq!(std::str::from_utf8(date.as_bytes()), Ok(text.as_str()));
                day += 1;
            }
        }
    }
}
