//! Tells the demo's steps as they happen: lines for people, or one JSON object a step.

use crate::output::{self, Failure};
use serde_json::{Value, json};
use std::io::{self, IsTerminal as _};
use std::time::Instant;
use zerocache_proto::Duration;

/// What a step found out, or how it went otherwise than it should.
pub(super) type Told = Result<Value, String>;

/// How the story goes on: whether the step was as expected.
pub(super) type Goes = Result<bool, Failure>;

pub(super) struct Story {
    json: bool,
    colours: bool,
    began: Instant,
    number: usize,
    name: &'static str,
    step_began: Instant,
    /// The first line that could not be printed.
    silenced: Option<Failure>,
}

impl Story {
    pub(super) fn new(json: bool) -> Self {
        let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let now = Instant::now();
        Self {
            json,
            colours,
            began: now,
            number: 0,
            name: "",
            step_began: now,
            silenced: None,
        }
    }

    /// A line outside any step.
    pub(super) fn aside(&mut self, line: &str) {
        if !self.json {
            self.print(line);
        }
    }

    /// Begins a step.
    pub(super) fn begin(&mut self, name: &'static str, title: &str) {
        self.number += 1;
        self.name = name;
        self.step_began = Instant::now();
        let title = self.paint("1", &format!("{:2}  {title}", self.number));
        self.aside("");
        self.aside(&title);
    }

    /// Something that happened in this step.
    pub(super) fn line(&mut self, line: &str) {
        self.aside(&format!("      {line}"));
    }

    /// Ends the step.
    pub(super) fn end(&mut self, told: Told) -> Goes {
        let took = self.step_began.elapsed();
        if self.json {
            let (number, name, millis) = (self.number, self.name, rounded(took));
            let object = match &told {
                Ok(detail) => {
                    json!({ "step": number, "name": name, "ok": true, "ms": millis, "detail": detail })
                }
                Err(why) => {
                    json!({ "step": number, "name": name, "ok": false, "ms": millis, "error": why })
                }
            };
            self.print(&object.to_string());
        } else {
            let verdict = match &told {
                Ok(_) => self.paint("32", "ok"),
                Err(why) => format!("{}: {why}", self.paint("31", "FAILED")),
            };
            self.print(&format!("    {verdict}, {}", ms(took)));
        }
        match self.silenced.take() {
            Some(failure) => Err(failure),
            None => Ok(told.is_ok()),
        }
    }

    /// Ends the story.
    pub(super) fn close(&mut self, as_expected: bool) -> Result<(), Failure> {
        let (steps, took) = (self.number, self.began.elapsed());
        if self.json {
            let object = json!({ "ok": as_expected, "steps": steps, "ms": rounded(took) });
            self.print(&object.to_string());
        } else {
            let seconds = took.as_secs_f64();
            self.print("");
            self.print(&if as_expected {
                format!("All {steps} steps went as expected, in {seconds:.1} s.")
            } else {
                format!("Step {steps} ({}) did not go as expected.", self.name)
            });
        }
        self.silenced.take().map_or(Ok(()), Err)
    }

    fn print(&mut self, line: &str) {
        if let (None, Err(failure)) = (&self.silenced, output::print(line)) {
            self.silenced = Some(failure);
        }
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A time in milliseconds, to be read.
pub(super) fn ms(time: Duration) -> String {
    crate::nodes::millis(time)
}

/// A time in milliseconds, to be computed with: microseconds are all that is meant.
pub(super) fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
