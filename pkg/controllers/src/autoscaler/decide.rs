//! The decision about a size: pure.

use super::{
    metric::{Failure, Outcome},
    model::{Behavior, Spec},
    replicas::Tolerances,
};

/// How far use may be from its goal without a change, where nobody says otherwise.
const TOLERANCE: f64 = 0.1;

/// What the size alone says.
#[derive(Debug, PartialEq)]
pub(super) enum First {
    /// Someone has switched the target off.
    Off,
    /// It is out of bounds, whatever is measured.
    Rescale(i32, &'static str),
    /// What is measured decides.
    Measure,
}

/// Looks at the size `current` before anything is measured.
pub(super) fn first(spec: &Spec, current: i32) -> First {
    if current == 0 {
        First::Off
    } else if current > spec.max_replicas {
        First::Rescale(spec.max_replicas, "Current number of replicas above Spec.MaxReplicas")
    } else if current < spec.min_replicas() {
        First::Rescale(spec.min_replicas(), "Current number of replicas below Spec.MinReplicas")
    } else {
        First::Measure
    }
}

/// What all metrics together say.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict<'a> {
    /// The largest size any metric asks for, and the metric's name; with what went wrong with others.
    Size { replicas: i32, name: &'a str, trouble: Option<String> },
    /// None: the first failure, and the words for all.
    None { failure: &'a Failure, error: String },
}

/// Joins metrics. While some cannot be had the size may grow by the others, never shrink.
pub(super) fn verdict(outcomes: &[Result<Outcome, Failure>], current: i32) -> Option<Verdict<'_>> {
    let failures: Vec<&Failure> = outcomes.iter().filter_map(|o| o.as_ref().err()).collect();
    let sizes = outcomes.iter().filter_map(|o| o.as_ref().ok());
    // Of equal sizes the first metric counts.
    let largest = sizes.fold(None, |best: Option<&Outcome>, o| match best {
        Some(best) if best.replicas >= o.replicas => Some(best),
        _ => Some(o),
    });
    let trouble = failures.first().map(|first| {
        let (bad, all) = (failures.len(), outcomes.len());
        format!("invalid metrics ({bad} invalid out of {all}), first error is: {}", first.error)
    });
    match (largest, failures.first()) {
        (Some(o), None) => Some(Verdict::Size { replicas: o.replicas, name: &o.name, trouble }),
        (Some(o), Some(_)) if o.replicas >= current => {
            Some(Verdict::Size { replicas: o.replicas, name: &o.name, trouble })
        }
        (_, Some(failure)) => Some(Verdict::None { failure, error: trouble.unwrap_or_default() }),
        (None, None) => None,
    }
}

/// Why the size changes.
pub(super) fn reason(desired: i32, current: i32, metric: &str) -> String {
    if desired > current {
        format!("{metric} above target")
    } else if desired < current {
        "All metrics below target".to_owned()
    } else {
        String::new()
    }
}

pub(super) fn tolerances(behavior: Option<&Behavior>) -> Tolerances {
    let of = |milli: Option<i64>| milli.map_or(TOLERANCE, |m| m as f64 / 1000.0);
    Tolerances {
        down: of(behavior.and_then(|b| b.scale_down.tolerance)),
        up: of(behavior.and_then(|b| b.scale_up.tolerance)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_out_of_bounds() {
        let spec: Spec =
            serde_json::from_value(json!({"scaleTargetRef": {}, "minReplicas": 2, "maxReplicas": 5})).unwrap();
        assert_eq!(first(&spec, 0), First::Off);
        assert!(matches!(first(&spec, 1), First::Rescale(2, _)));
        assert!(matches!(first(&spec, 6), First::Rescale(5, _)));
        assert_eq!(first(&spec, 5), First::Measure);
    }

    fn outcome(replicas: i32, name: &str) -> Result<Outcome, Failure> {
        Ok(Outcome { replicas, name: name.into(), status: knarr_api::Value::Null })
    }

    fn failure(error: &str) -> Result<Outcome, Failure> {
        Err(Failure { reason: "R", cause: "c".into(), error: error.into() })
    }

    #[test]
    fn the_largest_size_wins() {
        let all = [outcome(2, "a"), outcome(4, "b"), outcome(4, "c")];
        assert_eq!(verdict(&all, 3), Some(Verdict::Size { replicas: 4, name: "b", trouble: None }));
    }

    #[test]
    fn what_cannot_be_had_keeps_from_shrinking() {
        let some = [failure("e1"), outcome(4, "b"), failure("e2")];
        let words = "invalid metrics (2 invalid out of 3), first error is: e1".to_owned();
        let grown = Verdict::Size { replicas: 4, name: "b", trouble: Some(words.clone()) };
        assert_eq!(verdict(&some, 3), Some(grown));
        assert!(matches!(verdict(&some, 5), Some(Verdict::None { error, .. }) if error == words));
        assert!(matches!(verdict(&[failure("e")], 1), Some(Verdict::None { .. })));
    }

    #[test]
    fn tolerances_of_both_directions() {
        let behavior: Behavior = serde_json::from_value(json!({"scaleUp": {"tolerance": "50m"}})).unwrap();
        assert_eq!(tolerances(Some(&behavior)), Tolerances { down: 0.1, up: 0.05 });
        assert_eq!(tolerances(None), Tolerances { down: 0.1, up: 0.1 });
    }
}
