//! What is printed: tables, and at the end the targets, a verdict each.

use crate::race::Outcome;

/// A target and what came of it.
pub struct Gate {
    pub what: String,
    pub target: String,
    pub measured: String,
    pub met: Option<bool>,
}

#[derive(Default)]
pub struct Report {
    gates: Vec<Gate>,
    missing: Vec<String>,
}

impl Report {
    pub fn at_most(&mut self, what: impl Into<String>, measured: f64, target: f64, unit: &str) {
        self.gate(what, "<=", measured, target, unit, measured <= target);
    }

    pub fn at_least(&mut self, what: impl Into<String>, measured: f64, target: f64, unit: &str) {
        self.gate(what, ">=", measured, target, unit, measured >= target);
    }

    fn gate(
        &mut self,
        what: impl Into<String>,
        sign: &str,
        measured: f64,
        target: f64,
        unit: &str,
        met: bool,
    ) {
        let number = |number: f64| match unit {
            " instructions" => format!("{number:.0}{unit}"),
            _ => format!("{number:.2}{unit}"),
        };
        self.gates.push(Gate {
            what: what.into(),
            target: format!("{sign} {}", number(target)),
            measured: number(measured),
            met: Some(met),
        });
    }

    /// Says what could not be measured.
    pub fn missing(&mut self, what: impl Into<String>) {
        self.missing.push(what.into());
    }

    pub fn print(&self) {
        println!("\n## Targets\n");
        println!("| target | at | measured | verdict |\n|---|---|---|---|");
        for gate in &self.gates {
            let verdict = match gate.met {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "not measured",
            };
            println!(
                "| {} | {} | {} | {verdict} |",
                gate.what, gate.target, gate.measured
            );
        }
        for what in &self.missing {
            println!("\nmissing: {what}");
        }
        let met = self
            .gates
            .iter()
            .filter(|gate| gate.met == Some(true))
            .count();
        println!("\n{met} of {} targets met", self.gates.len());
    }
}

/// Contestants down, scenarios across.
pub struct Table {
    title: String,
    columns: Vec<(&'static str, bool, Vec<Outcome>)>,
}

impl Table {
    pub fn new(title: String) -> Self {
        Self {
            title,
            columns: Vec::new(),
        }
    }

    pub fn add(&mut self, scenario: &'static str, with_hits: bool, outcomes: Vec<Outcome>) {
        self.columns.push((scenario, with_hits, outcomes));
    }

    pub fn outcome(&self, scenario: &str, name: &str) -> Option<&Outcome> {
        let (_, _, outcomes) = self.columns.iter().find(|column| column.0 == scenario)?;
        outcomes.iter().find(|outcome| outcome.name == name)
    }

    pub fn print(&self) {
        println!("\n## {}\n", self.title);
        let mut names: Vec<&str> = Vec::new();
        for (_, _, outcomes) in &self.columns {
            for outcome in outcomes.iter().filter(|outcome| !outcome.name.is_empty()) {
                if !names.contains(&outcome.name) {
                    names.push(outcome.name);
                }
            }
        }
        let heads: Vec<&str> = self.columns.iter().map(|column| column.0).collect();
        println!(
            "| | {} |\n|---|{}",
            heads.join(" | "),
            "---|".repeat(heads.len())
        );
        for name in names {
            let cells: Vec<String> = self
                .columns
                .iter()
                .map(|(scenario, with_hits, _)| {
                    self.outcome(scenario, name)
                        .map_or(String::new(), |outcome| {
                            let hits = if *with_hits {
                                format!(", {:.2} %", outcome.hits)
                            } else {
                                String::new()
                            };
                            format!("{:.1} ({:.2}){hits}", outcome.ns, outcome.ratio)
                        })
                })
                .collect();
            println!("| {name} | {} |", cells.join(" | "));
        }
    }
}
