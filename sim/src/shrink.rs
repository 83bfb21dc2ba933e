//! The least of a plan that still fails: delta debugging over its transitions.

use crate::plan::Plan;
use crate::run::{Options, run};
use crate::transition::Step;

/// A plan that violates the same invariant with as few transitions as `tries` runs find, and how many
/// runs that took.
#[must_use]
pub fn shrink(plan: &Plan, invariant: &str, options: Options, tries: usize) -> (Plan, usize) {
    let mut best = plan.clone();
    let mut runs = 0;
    let mut pieces = 2;
    while runs < tries && !best.steps.is_empty() {
        let size = best.steps.len().div_ceil(pieces);
        let mut reduced = false;
        let mut at = 0;
        while at < best.steps.len() && runs < tries {
            let rest: Vec<Step> = {
                let (before, after) = best.steps.split_at(at);
                let after = after.get(size.min(after.len())..).unwrap_or_default();
                before.iter().chain(after).copied().collect()
            };
            let candidate = Plan {
                steps: rest,
                ..best.clone()
            };
            runs += 1;
            if fails(&candidate, invariant, options) {
                best = candidate;
                reduced = true;
            } else {
                at += size;
            }
        }
        if size == 1 && !reduced {
            break;
        }
        pieces = if reduced { pieces.max(2) } else { pieces * 2 };
        pieces = pieces.min(best.steps.len().max(1));
    }
    (best, runs)
}

fn fails(plan: &Plan, invariant: &str, options: Options) -> bool {
    run(plan, options)
        .violations
        .iter()
        .any(|violation| violation.id == invariant)
}
