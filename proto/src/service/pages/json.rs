//! Writing JSON (RFC 8259), pretty enough for people: `{"a": 1, "b": [2, 3]}`, as stock does.

use alloc::string::String;
use core::fmt::{Display, Write as _};

/// A JSON text in the making. Whoever writes closes what they open.
#[derive(Default)]
pub(super) struct Json {
    text: String,
    /// Whether something stands before the next value in the present object or array.
    comma: bool,
}

impl Json {
    /// An object of what `fields` writes.
    pub(super) fn object(&mut self, fields: impl FnOnce(&mut Self)) {
        self.nest('{', '}', fields);
    }

    /// An array of what `item` writes for each of `items`.
    pub(super) fn array<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T),
    ) {
        self.nest('[', ']', |json| {
            items.into_iter().for_each(|it| item(json, it))
        });
    }

    /// A field's name; its value comes next.
    pub(super) fn key(&mut self, name: &str) -> &mut Self {
        self.string(name);
        self.text.push_str(": ");
        self.comma = false;
        self
    }

    pub(super) fn number(&mut self, number: impl Display) {
        self.separate();
        // Writing to a string can not fail.
        let _ = write!(self.text, "{number}");
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.number(value);
    }

    pub(super) fn null(&mut self) {
        self.number("null");
    }

    pub(super) fn string(&mut self, text: impl Display) {
        self.separate();
        self.text.push('"');
        let _ = write!(Escaped(&mut self.text), "{text}");
        self.text.push('"');
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn nest(&mut self, open: char, close: char, inner: impl FnOnce(&mut Self)) {
        self.separate();
        self.text.push(open);
        self.comma = false;
        inner(self);
        self.text.push(close);
        self.comma = true;
    }

    fn separate(&mut self) {
        if self.comma {
            self.text.push_str(", ");
        }
        self.comma = true;
    }
}

/// Escapes what a JSON string must not hold (RFC 8259 §7).
struct Escaped<'a>(&'a mut String);

impl core::fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for c in text.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                c if c < ' ' || c == '\u{7f}' => write!(self.0, "\\u{:04x}", u32::from(c))?,
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values_are_separated_and_strings_escaped() {
        let mut json = Json::default();
        json.object(|json| {
            json.key("a").array([1, 2], |json, n| json.number(n));
            json.key("b").object(|_| ());
            json.key("c\"").string("x\\y\n\u{7f}é");
            json.key("d").null();
            json.key("e").array([true], |json, b| {
                json.object(|json| json.key("f").boolean(b));
            });
        });
        assert_eq!(
            json.finish(),
            r#"{"a": [1, 2], "b": {}, "c\"": "x\\y\u000a\u007fé", "d": null, "e": [{"f": true}]}"#
        );
    }
}
