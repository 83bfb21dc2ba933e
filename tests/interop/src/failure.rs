//! What went wrong, and waiting until something goes right.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// Why a scenario did not hold; printed as it is by the test runner.
pub struct Failure(pub String);

/// How a scenario ends.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure told in a sentence.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Fails unless both are the same.
///
/// # Errors
/// Says what was compared, what was seen and what was expected.
pub fn same<T: PartialEq + fmt::Debug>(what: &str, seen: T, expected: T) -> Outcome {
    if seen == expected {
        return Ok(());
    }
    Err(Failure(format!("{what}: {seen:?}, expected {expected:?}")))
}

/// Asks again and again until `question` holds, and says how long it took.
///
/// # Errors
/// When it still does not hold `within` the time, with what was seen last; or when asking fails.
pub fn eventually(
    what: &str,
    within: Duration,
    mut question: impl FnMut() -> Outcome<Result<(), String>>,
) -> Outcome<Duration> {
    let started = Instant::now();
    loop {
        let seen = match question()? {
            Ok(()) => return Ok(started.elapsed()),
            Err(seen) => seen,
        };
        if started.elapsed() > within {
            return Err(Failure(format!(
                "{what}: not within {within:?}; last seen: {seen}"
            )));
        }
        thread::sleep(Duration::from_millis(10));
    }
}
