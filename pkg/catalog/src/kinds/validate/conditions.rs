//! Conditions of the common type, as kinds of newer API groups have them.

use std::collections::BTreeSet;

use knarr_api::{
    field::{Error, Errors},
    names,
};

use crate::kinds::spot::Spot;

const REASON: usize = 1 << 10;
const MESSAGE: usize = 32 << 10;

/// A list of conditions: one of a type, each complete.
pub(super) fn conditions(list: &Spot<'_, '_>, out: &mut Errors) {
    let mut seen = BTreeSet::new();
    for one in list.items() {
        if !seen.insert(one.text_at("type")) {
            out.push(one.at("type").duplicate_as(one.text_at("type")));
        }
        condition(&one, out);
    }
}

fn condition(one: &Spot<'_, '_>, out: &mut Errors) {
    one.at("type").check_even_empty(names::qualified_name, out);
    let status = one.at("status");
    if !matches!(status.text(), "True" | "False" | "Unknown") {
        let allowed = ["True", "False", "Unknown"];
        out.push(Error::not_supported(&status.path(), status.text(), allowed));
    }
    let generation = one.at("observedGeneration");
    if generation.int().is_some_and(|n| n < 0) {
        out.push(generation.invalid("must be greater than or equal to zero"));
    }
    for key in ["lastTransitionTime", "reason"] {
        if one.at(key).is_empty() {
            out.push(one.at(key).required(""));
        }
    }
    let reason = one.at("reason");
    reason.check(names::condition_reason, out);
    for (spot, longest) in [(reason, REASON), (one.at("message"), MESSAGE)] {
        if spot.text().len() > longest {
            out.push(Error::too_long(&spot.path(), longest));
        }
    }
}
