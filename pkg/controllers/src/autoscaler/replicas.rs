//! From what pods use to how many there should be: pure.
//!
//! The size follows the ratio of what is used to what should be. Pods whose use is not known are assumed to use what
//! changes the size least: nothing when it would grow, all they may when it would shrink; and if with them the ratio
//! points the other way, the size stays.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    model::Goal,
    pods::{PodFacts, group},
    usage::Samples,
};

/// How far the ratio may be from one without a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tolerances {
    pub(super) down: f64,
    pub(super) up: f64,
}

impl Tolerances {
    fn allow(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure<'a> {
    pub(super) resource: &'a str,
    /// Empty for whole pods.
    pub(super) container: &'a str,
    pub(super) goal: &'a Goal,
}

/// A size, and what it follows from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Proposal {
    pub(super) replicas: i32,
    /// Percent of what is asked for, where that is the goal.
    pub(super) utilization: Option<i32>,
    /// Use of a pod in thousandths, on average.
    pub(super) average: i64,
}

/// The size for pods with these samples; `current` is the size now.
pub(super) fn propose(
    what: Measure<'_>,
    pods: &[PodFacts],
    samples: &Samples,
    current: i32,
    tolerances: Tolerances,
    now: Timestamp,
) -> Result<Proposal, String> {
    if pods.is_empty() {
        return Err("no pods returned by selector while calculating replica count".into());
    }
    let groups = group(pods, samples, what.resource == "cpu", now);
    let counts = |name: &str| !groups.ignored.contains(name) && !groups.unready.contains(name);
    let mut used: BTreeMap<&str, i64> =
        samples.iter().filter(|(name, _)| counts(name)).map(|(name, s)| (&**name, s.value)).collect();
    if used.is_empty() {
        return Err("did not receive metrics for targeted pods (pods might be unready)".into());
    }
    let scale = Scale::of(what, pods)?;
    let first = scale.measure(&used)?;
    let answer = |replicas| Proposal { replicas, utilization: first.utilization, average: first.average };
    let grows_with_unready = !groups.unready.is_empty() && first.ratio > 1.0;
    if !grows_with_unready && groups.missing.is_empty() {
        let same = tolerances.allow(first.ratio);
        return Ok(answer(if same { current } else { ceil(first.ratio * groups.ready as f64) }));
    }
    if first.ratio < 1.0 {
        used.extend(groups.missing.iter().map(|name| (*name, scale.full(name))));
    } else if first.ratio > 1.0 {
        used.extend(groups.missing.iter().map(|name| (*name, 0)));
    }
    if grows_with_unready {
        used.extend(groups.unready.iter().map(|name| (*name, 0)));
    }
    let ratio = scale.measure(&used)?.ratio;
    let turned = (first.ratio < 1.0 && ratio > 1.0) || (first.ratio > 1.0 && ratio < 1.0);
    if tolerances.allow(ratio) || turned {
        return Ok(answer(current));
    }
    let replicas = ceil(ratio * used.len() as f64);
    // More pods in the count must not turn the direction either.
    let turned = (ratio < 1.0 && replicas > current) || (ratio > 1.0 && replicas < current);
    Ok(answer(if turned { current } else { replicas }))
}

fn ceil(n: f64) -> i32 {
    n.ceil() as i32
}

fn mean(total: i128, count: usize) -> i64 {
    i64::try_from(total / count.max(1) as i128).unwrap_or(i64::MAX)
}

/// Against what use is measured.
enum Scale<'a> {
    /// Percent of what pods ask for.
    Requests { percent: i32, requests: BTreeMap<&'a str, i64> },
    /// So much a pod.
    Average(i64),
}

struct Reading {
    ratio: f64,
    utilization: Option<i32>,
    average: i64,
}

impl<'a> Scale<'a> {
    fn of(what: Measure<'_>, pods: &'a [PodFacts]) -> Result<Self, String> {
        if let Some(value) = what.goal.average_value {
            return Ok(Self::Average(value));
        }
        let percent = what.goal.average_utilization.ok_or(
            "invalid resource metric source: neither an average utilization target nor an average value (usage) target \
             was set",
        )?;
        let request = |pod: &'a PodFacts| Ok::<_, String>((&*pod.name, pod.request(what.resource, what.container)?));
        Ok(Self::Requests { percent, requests: pods.iter().map(request).collect::<Result<_, _>>()? })
    }

    fn measure(&self, used: &BTreeMap<&str, i64>) -> Result<Reading, String> {
        match self {
            Self::Average(goal) => {
                let average = mean(used.values().map(|n| i128::from(*n)).sum(), used.len());
                Ok(Reading { ratio: average as f64 / *goal as f64, utilization: None, average })
            }
            Self::Requests { percent, requests } => {
                let known = used.iter().filter_map(|(name, used)| Some((*used, *requests.get(name)?)));
                let (mut total, mut asked, mut count) = (0i128, 0i128, 0);
                for (used, request) in known {
                    total += i128::from(used);
                    asked += i128::from(request);
                    count += 1;
                }
                if asked == 0 {
                    return Err("no metrics returned matched known pods".into());
                }
                let utilization = i32::try_from(total * 100 / asked).unwrap_or(i32::MAX);
                let ratio = f64::from(utilization) / f64::from(*percent);
                Ok(Reading { ratio, utilization: Some(utilization), average: mean(total, count) })
            }
        }
    }

    /// What a pod without a sample uses at most.
    fn full(&self, pod: &str) -> i64 {
        match self {
            Self::Average(goal) => *goal,
            Self::Requests { percent, requests } => {
                let full = |asked: &i64| i128::from(*asked) * i128::from((*percent).max(100)) / 100;
                requests.get(pod).map(full).map_or(0, |n| i64::try_from(n).unwrap_or(i64::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests;
