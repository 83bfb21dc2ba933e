//! Runs a script of operations on a store, one line each on standard input, and answers each with
//! one line on standard output, so that another implementation can be held against it.
//!
//! | line | answer |
//! | --- | --- |
//! | `new MODE ENTRIES WEIGHT` | `ok`; `MODE` is `exact`, or how many a put looks at beyond its needs |
//! | `put KEY VALUE SIZE EXPIRES NOW` | `stored`, `over` or `large`; `1` if it replaced a live value, else `0`; `KEY@EXPIRES` of what expired, `,` between, or `-`; keys evicted, likewise |
//! | `get KEY NOW`, `peek KEY NOW` | the value, or `-` |
//! | `del KEY NOW` | the value, or `-`; gone even if it had expired |
//! | `pop KEY NOW` | the value, or `-`; an expired one stays |
//! | `popitem NOW` | the least recent live key and its value, or `-` |
//! | `expire NOW` | `KEY@EXPIRES` of all that had expired, in that order, or `-` |
//! | `step NOW BUDGET` | `ok`; expires within a budget |
//! | `len NOW` | how many are live |
//! | `weight` | the weight of all in memory |
//! | `keys NOW` | live keys, most recent first, or `-` |
//! | `clear` | `ok` |
//!
//! Keys and values are words, the rest decimal numbers; `18446744073709551615` is for ever.

use std::io::{self, BufRead, BufWriter, Error, ErrorKind, Write};

use zerocache_store::{Bounds, Cause, Expiry, NewValue, Removed, Tlru};

fn main() -> io::Result<()> {
    let mut store = Store::new("exact", 0, 0)?;
    let mut answers = BufWriter::new(io::stdout().lock());
    for (number, line) in io::stdin().lock().lines().enumerate() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = store
            .apply(&words)
            .map_err(|error| Error::new(error.kind(), format!("line {}: {line}", number + 1)))?;
        writeln!(answers, "{answer}")?;
    }
    answers.flush()
}

struct Store(Tlru<()>);

/// Values begin with their size, in eight bytes.
fn size(_: &[u8], value: &[u8]) -> u64 {
    let size = value.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    size.unwrap_or(0)
}

impl Store {
    fn new(mode: &str, entries: usize, weight: u64) -> io::Result<Self> {
        let expiry = match mode {
            "exact" => Expiry::Exact,
            per_put => Expiry::Bounded {
                per_put: number(per_put)? as usize,
            },
        };
        let store = Tlru::new(Bounds { entries, weight }, 0x5eed);
        Ok(Self(store.with_weigher(size).with_expiry(expiry)))
    }

    fn apply(&mut self, words: &[&str]) -> io::Result<String> {
        Ok(match *words {
            ["new", mode, entries, weight] => {
                *self = Self::new(mode, number(entries)? as usize, number(weight)?)?;
                "ok".into()
            }
            ["put", key, value, size, expires, now] => {
                self.put(key, value, number(size)?, number(expires)?, number(now)?)
            }
            ["get", key, now] => {
                let hash = self.0.hash(key.as_bytes());
                let entry = self.0.get(hash, key.as_bytes(), number(now)?);
                entry.map_or("-".into(), |entry| text(&entry.value[8..]))
            }
            ["peek", key, now] => {
                let hash = self.0.hash(key.as_bytes());
                let entry = self.0.peek(hash, key.as_bytes(), number(now)?);
                entry.map_or("-".into(), |entry| text(&entry.value[8..]))
            }
            ["del", key, now] => {
                let hash = self.0.hash(key.as_bytes());
                let removed = self.0.remove(hash, key.as_bytes(), number(now)?);
                removed.map_or("-".into(), |removed| text(&removed.value()[8..]))
            }
            ["pop", key, now] => {
                let (hash, now) = (self.0.hash(key.as_bytes()), number(now)?);
                match self.0.peek(hash, key.as_bytes(), now) {
                    Some(_) => self.apply(&["del", key, words[2]])?,
                    None => "-".into(),
                }
            }
            ["popitem", now] => match self.0.pop_oldest(number(now)?) {
                Some(removed) => format!("{} {}", text(removed.key()), text(&removed.value()[8..])),
                None => "-".into(),
            },
            ["expire", now] => {
                let mut gone = Vec::new();
                let each = |removed| gone.push(with_expiry(&removed));
                self.0.expire_with(number(now)?, usize::MAX, each);
                list(gone)
            }
            ["step", now, budget] => {
                self.0.expire(number(now)?, number(budget)? as usize);
                "ok".into()
            }
            ["len", now] => self.0.len(number(now)?).to_string(),
            ["weight"] => self.0.weight().to_string(),
            ["keys", now] => list(self.0.iter(number(now)?).map(|entry| text(entry.key))),
            ["clear"] => {
                self.0.clear();
                "ok".into()
            }
            _ => return Err(ErrorKind::InvalidInput.into()),
        })
    }

    fn put(&mut self, key: &str, value: &str, size: u64, expires: u64, now: u64) -> String {
        let bytes = [&size.to_le_bytes(), value.as_bytes()].concat();
        let (hash, key) = (self.0.hash(key.as_bytes()), key.as_bytes());
        let live = self.0.peek(hash, key, now).is_some();
        let Ok(put) = self
            .0
            .put(hash, key, NewValue::Copy(&bytes), (), expires, now)
        else {
            return format!("large {} - -", u8::from(live));
        };
        let of = |cause: Cause| put.evicted.iter().filter(move |gone| gone.cause() == cause);
        format!(
            "{} {} {} {}",
            if put.stored { "stored" } else { "over" },
            u8::from(put.replaced),
            list(of(Cause::Expired).map(with_expiry)),
            list(of(Cause::Evicted).map(|gone| text(gone.key()))),
        )
    }
}

fn number(word: &str) -> io::Result<u64> {
    word.parse().map_err(|_| ErrorKind::InvalidInput.into())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn with_expiry(removed: &Removed<()>) -> String {
    format!("{}@{}", text(removed.key()), removed.expires())
}

fn list(words: impl IntoIterator<Item = String>) -> String {
    let words: Vec<String> = words.into_iter().collect();
    if words.is_empty() {
        "-".into()
    } else {
        words.join(",")
    }
}
