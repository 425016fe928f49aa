//! Whether there is room, in upstream's words.

use std::collections::BTreeSet;

use super::{Charge, Kind, Quota};
use crate::{Str, demand::ResourceList, quantity::Quantity};

/// Why an object may not come into being, or change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A container does not say what a quota counts.
    #[error("failed quota: {quota}: must specify {missing}")]
    Unsaid {
        /// The quota.
        quota: Str,
        /// `limits.cpu for: c1,c2; …`
        missing: String,
    },
    /// The controller has not counted yet.
    #[error("status unknown for quota: {quota}, resources: {resources}")]
    Unknown {
        /// The quota.
        quota: Str,
        /// What it has no count of.
        resources: String,
    },
    /// It would cost less than nothing.
    #[error("quota usage is negative for resource(s): {0}")]
    Negative(String),
    /// There is not enough left.
    #[error("exceeded quota: {quota}, requested: {requested}, used: {used}, limited: {hard}")]
    Exceeded {
        /// The quota.
        quota: Str,
        /// What was asked for.
        requested: String,
        /// What is used.
        used: String,
        /// What there is.
        hard: String,
    },
}

/// The usage of each quota with the object in it, for those where it changes: index and new usage.
///
/// `old` is the charge of the object as it was. What becomes cheaper is only given back by the controller's count: it
/// sees what was committed.
///
/// # Errors
/// A quota has no room.
pub fn admit(
    kind: &Kind,
    quotas: &[Quota],
    new: &Charge,
    old: Option<&Charge>,
) -> Result<Vec<(usize, ResourceList)>, Refusal> {
    let mut concerned = Vec::new();
    for (i, quota) in quotas.iter().enumerate() {
        let Some(hard) = &quota.hard else { continue };
        let names: Vec<&Str> = hard.keys().filter(|name| kind.counts(name)).collect();
        if names.is_empty() || !quota.covers(new) {
            continue;
        }
        said(quota, &names, new)?;
        let counted = |name: &Str| quota.used.as_ref().is_some_and(|used| used.contains_key(name));
        if !names.iter().all(|name| counted(name)) {
            let resources = names.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(",");
            return Err(Refusal::Unknown { quota: quota.name.clone(), resources });
        }
        concerned.push((i, quota, hard));
    }
    if concerned.is_empty() {
        return Ok(Vec::new());
    }
    let negative: Vec<&str> =
        new.usage.iter().filter(|(_, n)| **n < Quantity::ZERO).map(|(name, _)| name.as_str()).collect();
    if !negative.is_empty() {
        return Err(Refusal::Negative(negative.join(",")));
    }
    let mut changed = Vec::new();
    for (i, quota, hard) in concerned {
        let before = old.filter(|old| quota.covers(old));
        let more = more(new, before, hard);
        if more.is_empty() {
            continue;
        }
        let mut used = quota.used.clone().unwrap_or_default();
        crate::demand::add(&mut used, &more);
        let over = |name: &&Str| used[*name] > hard[*name];
        let exceeded: Vec<&Str> = more.keys().filter(over).collect();
        if !exceeded.is_empty() {
            let had = quota.used.clone().unwrap_or_default();
            return Err(Refusal::Exceeded {
                quota: quota.name.clone(),
                requested: list(&more, &exceeded),
                used: list(&had, &exceeded),
                hard: list(hard, &exceeded),
            });
        }
        changed.push((i, used));
    }
    Ok(changed)
}

/// What the object costs more than before, of the resources that are limited.
fn more(new: &Charge, old: Option<&Charge>, hard: &ResourceList) -> ResourceList {
    let limited = new.usage.iter().filter(|(name, _)| hard.contains_key(*name));
    let growth = limited.map(|(name, now)| {
        let before = old.and_then(|o| o.usage.get(name)).copied().unwrap_or(Quantity::ZERO);
        (name.clone(), *now - before)
    });
    growth.filter(|(_, more)| *more > Quantity::ZERO).collect()
}

fn said(quota: &Quota, names: &[&Str], charge: &Charge) -> Result<(), Refusal> {
    let missing: Vec<_> = charge.unsaid.iter().filter(|(name, _)| names.iter().any(|n| n.as_str() == *name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let resources: BTreeSet<&str> = missing.iter().map(|(name, _)| *name).collect();
    let each = resources.into_iter().map(|resource| {
        let of: BTreeSet<&str> =
            missing.iter().filter(|(name, _)| *name == resource).map(|(_, container)| container.as_str()).collect();
        format!("{resource} for: {}", of.into_iter().collect::<Vec<_>>().join(","))
    });
    let missing = each.collect::<Vec<_>>().join("; ");
    Err(Refusal::Unsaid { quota: quota.name.clone(), missing })
}

fn list(amounts: &ResourceList, names: &[&Str]) -> String {
    let shown = names.iter().filter_map(|name| Some(format!("{name}={}", amounts.get(*name)?)));
    shown.collect::<Vec<_>>().join(",")
}
