//! The figures of a run: what is promised, what was seen, and what a busy machine may add.

use std::fmt;
use std::time::Duration;

use zerocache_interop::{Failure, Outcome};

use crate::load::Tally;

/// What a machine that does other things too may add to any time before it counts as a failure.
pub(crate) const SLACK: Duration = Duration::from_secs(3);
/// GET at a survivor, by loopback, 99 of 100.
const GET: Duration = Duration::from_millis(5);
/// PUT at a survivor, every one.
const PUT: Duration = Duration::from_millis(400);
/// Any operation of a client, tries at all nodes included.
const CLIENT: Duration = Duration::from_millis(2_750);
/// Of the requests that survivors answered before, at least so many percent.
const RATE: f64 = 80.0;

/// One line of the table.
pub(crate) struct Row {
    fault: &'static str,
    runtime: &'static str,
    notice: Option<(Duration, Duration)>,
    detection: Option<(Duration, Duration)>,
    kept: Option<(Duration, Duration)>,
    rate: Option<f64>,
    back: Option<Duration>,
    convergence: Option<Duration>,
    gets: usize,
    get_p99: Option<Duration>,
    puts: usize,
    put_max: Option<Duration>,
    client_max: Option<Duration>,
}

impl Row {
    /// A line with nothing measured yet.
    pub(crate) const fn new(fault: &'static str, runtime: &'static str) -> Self {
        Self {
            fault,
            runtime,
            notice: None,
            detection: None,
            kept: None,
            rate: None,
            back: None,
            convergence: None,
            gets: 0,
            get_p99: None,
            puts: 0,
            put_max: None,
            client_max: None,
        }
    }

    /// The dead were out of the routing of all survivors of their own regions after `seen`.
    pub(crate) const fn noticed(&mut self, seen: Duration, goal: Duration) {
        self.notice = Some((seen, goal));
    }

    /// The dead were out of every survivor's routing after `seen`.
    pub(crate) const fn detected(&mut self, seen: Duration, goal: Duration) {
        self.detection = Some((seen, goal));
    }

    /// What had been promised until the fault was at every survivor after `seen`.
    pub(crate) const fn kept(&mut self, seen: Duration, goal: Duration) {
        self.kept = Some((seen, goal));
    }

    /// Survivors answered so many requests a second before the fault and after it.
    pub(crate) const fn paced(&mut self, before: f64, after: f64) {
        self.rate = Some(100.0 * after / before);
    }

    /// All routed to all again `back` after the end of the fault, and held the same after `same`.
    pub(crate) const fn healed(&mut self, back: Duration, same: Duration) {
        self.back = Some(back);
        self.convergence = Some(same);
    }

    /// The longest operation took so long, all of them at peers that never end.
    pub(crate) const fn slow(&mut self, longest: Duration) {
        self.client_max = Some(longest);
    }

    /// What the load saw.
    pub(crate) fn load(&mut self, tally: &Tally) {
        let mut gets = tally.gets.clone();
        gets.sort_unstable();
        self.gets = gets.len();
        self.get_p99 = gets
            .get((gets.len() * 99).div_ceil(100).saturating_sub(1))
            .copied();
        self.puts = tally.puts.len();
        self.put_max = tally.puts.iter().max().copied();
        self.client_max = tally.client.iter().max().copied();
    }

    /// Fails if something took longer than is promised and more than this machine may be excused for.
    pub(crate) fn check(&self, strict: bool) -> Outcome {
        let slack = if strict { Duration::ZERO } else { SLACK };
        let times = [
            ("own region", self.notice),
            ("detection", self.detection),
            ("kept", self.kept),
            ("GET p99", self.get_p99.map(|seen| (seen, GET))),
            ("PUT max", self.put_max.map(|seen| (seen, PUT))),
            ("client max", self.client_max.map(|seen| (seen, CLIENT))),
        ];
        let bounds = times.into_iter().filter_map(|(what, time)| {
            let (seen, goal) = time?;
            Some((what, seen, goal))
        });
        // What else a busy machine does is seen in this before all.
        if let Some(rate) = self.rate.filter(|rate| strict && *rate < RATE) {
            let fault = self.fault;
            return Err(Failure(format!(
                "{fault}, {}: survivors answer {rate:.0} % of what they did, promised are {RATE} %",
                self.runtime
            )));
        }
        for (what, seen, goal) in bounds {
            if seen > goal + slack {
                return Err(Failure(format!(
                    "{}, {}: {what} {seen:.0?}, promised are {goal:?} (slack {slack:?})",
                    self.fault, self.runtime
                )));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Option<Duration>| {
            time.map_or_else(|| "-".to_owned(), |t| format!("{:.1} s", t.as_secs_f64()))
        };
        let millis = |time: Option<Duration>| {
            time.map_or_else(
                || "-".to_owned(),
                |t| format!("{:.1} ms", t.as_secs_f64() * 1e3),
            )
        };
        write!(
            f,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.fault,
            self.runtime,
            seconds(self.notice.map(|(seen, _)| seen)),
            seconds(self.detection.map(|(seen, _)| seen)),
            seconds(self.kept.map(|(seen, _)| seen)),
            self.rate
                .map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0} %")),
            seconds(self.back),
            seconds(self.convergence),
            self.gets,
            millis(self.get_p99),
            self.puts,
            millis(self.put_max),
            millis(self.client_max),
        )
    }
}

/// The table, in Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| fault | runtime | out: own region | out: everywhere | kept | rate | back | converged | GETs | GET p99 | PUTs | PUT max | client max |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in rows {
        text.push_str(&format!("{row}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_beyond_promise_and_slack_fails_the_row_and_no_other_does() {
        let millis = Duration::from_millis;
        let mut row = Row::new("fault", "runtime");
        // The slowest of a hundred is no figure, the one before it is.
        let mut gets = vec![millis(1); 98];
        gets.extend([GET + SLACK, millis(9_000)]);
        let tally = Tally {
            gets,
            puts: vec![PUT, PUT + SLACK],
            client: vec![CLIENT + SLACK],
            ..Tally::default()
        };
        row.load(&tally);
        row.noticed(millis(3_000) + SLACK, millis(3_000));
        assert!(row.check(false).is_ok());
        assert!(row.check(true).is_err());
        row.detected(millis(5_001) + SLACK, millis(5_000));
        assert!(row.check(false).is_err());
    }
}
