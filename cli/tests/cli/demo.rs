//! The demo, as a stranger runs it.

use crate::common::run;
use serde_json::Value;
use std::time::Duration;

/// It takes about ten seconds, longer on a machine that builds and tests beside it.
const BOUND: Duration = Duration::from_secs(60);

#[test]
fn every_step_of_the_demo_is_as_expected() {
    let ran = run(&["demo"]).exits(0);
    let text = ran.text();
    assert!(ran.took < BOUND, "{:?}", ran.took);
    assert!(text.contains("steps went as expected"), "{text}");
    assert!(!text.contains('\x1b'), "colours in a pipe: {text}");
    assert_eq!(ran.stderr, "");
}

#[test]
fn the_demo_tells_each_step_as_an_object() {
    let ran = run(&["demo", "--json"]).exits(0);
    let lines: Vec<Value> = ran
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (last, steps) = lines.split_last().unwrap();
    assert_eq!(
        (&last["ok"], &last["steps"]),
        (&true.into(), &steps.len().into())
    );
    for (number, step) in steps.iter().enumerate() {
        assert_eq!(
            (&step["step"], &step["ok"]),
            (&(number + 1).into(), &true.into()),
            "{step}"
        );
    }
}
