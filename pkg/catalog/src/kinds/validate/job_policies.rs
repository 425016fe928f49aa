//! What a Job says about its pods' ends: `podFailurePolicy`, `successPolicy`, `podReplacementPolicy`.

use knarr_api::{
    field::{Error, Errors},
    names,
};

use crate::kinds::spot::Spot;

/// Rules of a policy, and conditions of a rule.
const RULES: usize = 20;
/// Exit codes of a rule.
const CODES: usize = 255;
/// Length of `succeededIndexes`.
const INDEXES: usize = 64 * 1024;

/// The policies of a Job.
pub(super) fn check(spec: &Spot<'_, '_>, out: &mut Errors) {
    let (failure, success) = (spec.at("podFailurePolicy"), spec.at("successPolicy"));
    failure_policy(spec, &failure, out);
    if success.is_set() {
        match spec.text_at("completionMode") {
            "Indexed" => success_policy(&success, spec.at("completions").int().unwrap_or(0), out),
            _ => out.push(success.invalid("requires indexed completion mode")),
        }
    }
    let replace = spec.at("podReplacementPolicy");
    if failure.is_set() && replace.is_set() && replace.text() != "Failed" {
        out.push(replace.not_supported(&["Failed"]));
    }
}

fn failure_policy(spec: &Spot<'_, '_>, policy: &Spot<'_, '_>, out: &mut Errors) {
    let rules = policy.at("rules");
    if rules.len() > RULES {
        out.push(Error::too_many(&rules.path(), rules.len(), RULES));
    }
    for rule in rules.items() {
        let (codes, conditions) = (rule.at("onExitCodes"), rule.at("onPodConditions"));
        if rule.text_at("action") == "FailIndex" && !spec.at("backoffLimitPerIndex").is_set() {
            out.push(rule.at("action").invalid("requires the backoffLimitPerIndex to be set"));
        }
        if codes.is_set() {
            exit_codes(spec, &codes, out);
        }
        if conditions.len() > RULES {
            out.push(Error::too_many(&conditions.path(), conditions.len(), RULES));
        }
        for pattern in conditions.items() {
            pattern.at("type").check_even_empty(names::qualified_name, out);
        }
        let why = match (codes.is_set(), !conditions.is_empty()) {
            (true, true) => Some("specifying both OnExitCodes and OnPodConditions is not supported"),
            (false, false) => Some("specifying one of OnExitCodes and OnPodConditions is required"),
            _ => None,
        };
        out.extend(why.map(|why| Error { value: None, ..rule.invalid(why) }));
    }
}

fn exit_codes(spec: &Spot<'_, '_>, codes: &Spot<'_, '_>, out: &mut Errors) {
    let name = codes.at("containerName");
    let template = spec.at("template");
    let pod = template.at("spec");
    let has = |list: &str| pod.at(list).items().any(|c| c.text_at("name") == name.text());
    if name.is_set() && !has("containers") && !has("initContainers") {
        out.push(name.invalid("must be one of the container or initContainer names in the pod template"));
    }
    let values = codes.at("values");
    match values.len() {
        0 => out.push(values.invalid("at least one value is required")),
        n if n > CODES => out.push(Error::too_many(&values.path(), n, CODES)),
        _ => {}
    }
    let numbers: Vec<i64> = values.items().filter_map(|v| v.int()).collect();
    for (i, value) in values.items().enumerate() {
        if value.int() == Some(0) && codes.text_at("operator") == "In" {
            out.push(value.invalid("must not be 0 for the In operator"));
        }
        if numbers.iter().take(i).any(|n| Some(*n) == value.int()) {
            out.push(value.duplicate());
        }
    }
    if !numbers.is_sorted() {
        out.push(values.invalid("must be ordered"));
    }
}

fn success_policy(policy: &Spot<'_, '_>, completions: i64, out: &mut Errors) {
    let rules = policy.at("rules");
    match rules.len() {
        0 => out.push(rules.required("at least one rules must be specified when the successPolicy is specified")),
        n if n > RULES => out.push(Error::too_many(&rules.path(), n, RULES)),
        _ => {}
    }
    for rule in rules.items() {
        let (indexes, count) = (rule.at("succeededIndexes"), rule.at("succeededCount"));
        if !indexes.is_set() && !count.is_set() {
            out.push(rule.required("at least one of succeededCount or succeededIndexes must be specified"));
        }
        let mut total = 0;
        if indexes.is_set() {
            if indexes.text().len() > INDEXES {
                out.push(Error::too_long(&indexes.path(), INDEXES));
            }
            match number_of_indexes(indexes.text(), completions) {
                Ok(n) => total = n,
                Err(why) => out.push(indexes.invalid(format!("error parsing succeededIndexes: {why}"))),
            }
        }
        count.not_negative(out);
        let Some(n) = count.int() else { continue };
        let mut at_most = |limit: i64, what: &str| {
            if n > limit {
                out.push(count.invalid(format!("must be less than or equal to {limit} (the number of {what})")));
            }
        };
        at_most(completions, "specified completions");
        if indexes.is_set() {
            at_most(total, "indexes in the specified succeededIndexes field");
        }
    }
}

/// How many indexes a text such as `0-2,5` names: in growing order and below `completions`.
fn number_of_indexes(text: &str, completions: i64) -> Result<i64, String> {
    let (mut last, mut total) = (None, 0);
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let bounds: Vec<&str> = part.split('-').collect();
        if bounds.len() > 2 {
            return Err(format!(
                "the fragment {part:?} violates the requirement that an index interval can have at most two parts separated by '-'"
            ));
        }
        let number = |text: &str| match text.parse::<i64>() {
            Err(_) => Err(format!("cannot convert string to integer for index: {text:?}")),
            Ok(n) if n >= completions => Err(format!("too large index: {text:?}")),
            Ok(n) => Ok(n),
        };
        let growing = |before: i64, now: i64| match before < now {
            true => Ok(()),
            false => Err(format!("non-increasing order, previous: {before}, current: {now}")),
        };
        let first = number(bounds[0])?;
        let end = bounds.get(1).map_or(Ok(first), |end| number(end))?;
        if bounds.len() == 2 {
            growing(first, end)?;
        }
        if let Some(last) = last {
            growing(last, first)?;
        }
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes() {
        for (text, want) in [
            ("", Ok(0)),
            ("0,2-4", Ok(4)),
            (
                "0-1-2",
                Err(
                    "the fragment \"0-1-2\" violates the requirement that an index interval can have at most two parts separated by '-'",
                ),
            ),
            ("x", Err("cannot convert string to integer for index: \"x\"")),
            ("1-9", Err("too large index: \"9\"")),
            ("3-3", Err("non-increasing order, previous: 3, current: 3")),
            ("2,1", Err("non-increasing order, previous: 2, current: 1")),
        ] {
            assert_eq!(number_of_indexes(text, 5), want.map_err(str::to_owned), "{text}");
        }
    }
}
