//! What a Job makes of its pods' ends: `podFailurePolicy` and `successPolicy`.

use serde::Deserialize;

use super::{indexes::Indexes, pod::JobPod};

/// `podFailurePolicy`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct FailurePolicy {
    rules: Vec<FailureRule>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailureRule {
    action: Action,
    on_exit_codes: Option<ExitCodes>,
    #[serde(default)]
    on_pod_conditions: Vec<Pattern>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Action {
    FailJob,
    FailIndex,
    Ignore,
    Count,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExitCodes {
    container_name: Option<Box<str>>,
    operator: Box<str>,
    #[serde(default)]
    values: Vec<i32>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Pattern {
    #[serde(rename = "type")]
    kind: Box<str>,
    #[serde(default)]
    status: Box<str>,
}

/// What a failed pod means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// One failure more.
    Counts,
    /// Nothing.
    Ignored,
    /// The end of its index.
    EndsIndex,
    /// The end of the Job, with the reason in words.
    EndsJob(String),
}

impl FailurePolicy {
    /// The first rule that fits decides; without one the failure counts.
    pub(super) fn judge(&self, pod: &JobPod) -> Meaning {
        let fitting = self.rules.iter().enumerate().find_map(|(i, rule)| Some((i, rule.action, rule.fits(pod)?)));
        match fitting {
            None | Some((_, Action::Count, _)) => Meaning::Counts,
            Some((_, Action::Ignore, _)) => Meaning::Ignored,
            Some((_, Action::FailIndex, _)) => Meaning::EndsIndex,
            Some((i, Action::FailJob, what)) => Meaning::EndsJob(format!("{what} matching FailJob rule at index {i}")),
        }
    }
}

impl FailureRule {
    /// In words what it fits to, if it fits.
    fn fits(&self, pod: &JobPod) -> Option<String> {
        let key = &pod.key;
        if let Some(codes) = &self.on_exit_codes {
            let mut exits =
                pod.exits.iter().filter(|(name, _)| codes.container_name.as_ref().is_none_or(|n| n == name));
            let (name, code) = exits.find(|(_, code)| codes.holds(*code))?;
            return Some(format!("Container {name} for pod {key} failed with exit code {code}"));
        }
        let wanted = |(kind, status): &&(Box<str>, Box<str>)| {
            self.on_pod_conditions.iter().any(|p| p.kind == *kind && p.status == *status)
        };
        let (kind, _) = pod.conditions.iter().find(wanted)?;
        Some(format!("Pod {key} has condition {kind}"))
    }
}

impl ExitCodes {
    fn holds(&self, code: i32) -> bool {
        match &*self.operator {
            "In" => self.values.contains(&code),
            "NotIn" => !self.values.contains(&code),
            _ => false,
        }
    }
}

/// `successPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct SuccessPolicy {
    rules: Vec<SuccessRule>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SuccessRule {
    succeeded_indexes: Option<Box<str>>,
    succeeded_count: Option<i32>,
}

impl SuccessPolicy {
    /// The rule that the succeeded indexes satisfy, in words.
    pub(super) fn satisfied(&self, succeeded: &Indexes, completions: i32) -> Option<String> {
        if succeeded.is_empty() {
            return None;
        }
        let at = self.rules.iter().position(|rule| rule.holds(succeeded, completions))?;
        Some(format!("Matched rules at index {at}"))
    }
}

impl SuccessRule {
    fn holds(&self, succeeded: &Indexes, completions: i32) -> bool {
        let enough = |n: i32| self.succeeded_count.is_some_and(|count| n >= count);
        let Some(text) = &self.succeeded_indexes else { return enough(succeeded.total()) };
        let wanted = Indexes::parse(text, completions);
        let common = wanted.common(succeeded);
        !wanted.is_empty() && (common == wanted.total() || enough(common))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::job::pod::tests::pod;

    fn judge(rules: serde_json::Value, status: serde_json::Value) -> Meaning {
        let policy: FailurePolicy = serde_json::from_value(json!({ "rules": rules })).unwrap();
        policy.judge(&pod(json!({"metadata": {"name": "p", "namespace": "n"}, "status": status})))
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let exit = |name: &str, code: i32| json!({"name": name, "state": {"terminated": {"exitCode": code}}});
        let codes = |action: &str, operator: &str, values: &[i32]| json!({"action": action, "onExitCodes": {"operator": operator, "values": values}});
        let disrupted =
            json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]});
        let one = json!({"containerStatuses": [exit("main", 0), exit("side", 42)]});
        let fails = |text: &str| Meaning::EndsJob(text.into());
        for (rules, status, want) in [
            (json!([]), one.clone(), Meaning::Counts),
            (
                json!([codes("FailJob", "In", &[40, 42])]),
                one.clone(),
                fails("Container side for pod n/p failed with exit code 42 matching FailJob rule at index 0"),
            ),
            (
                json!([codes("Ignore", "In", &[1]), codes("FailJob", "NotIn", &[1])]),
                one.clone(),
                fails("Container side for pod n/p failed with exit code 42 matching FailJob rule at index 1"),
            ),
            (json!([codes("FailIndex", "In", &[42])]), one.clone(), Meaning::EndsIndex),
            (json!([codes("Count", "In", &[42]), codes("FailJob", "In", &[42])]), one.clone(), Meaning::Counts),
            // An exit code of 0 is no failure, whatever the operator.
            (json!([codes("Ignore", "NotIn", &[42])]), one.clone(), Meaning::Counts),
            (
                json!([{"action": "Ignore", "onExitCodes": {"containerName": "main", "operator": "In", "values": [42]}}]),
                one,
                Meaning::Counts,
            ),
            (
                json!([codes("FailJob", "In", &[5])]),
                json!({"initContainerStatuses": [exit("init", 5)]}),
                fails("Container init for pod n/p failed with exit code 5 matching FailJob rule at index 0"),
            ),
            (
                json!([disrupted.clone()]),
                json!({"conditions": [{"type": "DisruptionTarget", "status": "True"}]}),
                Meaning::Ignored,
            ),
            (
                json!([{"action": "FailJob", "onPodConditions": [{"type": "ConfigIssue", "status": "True"}]}]),
                json!({"conditions": [{"type": "ConfigIssue", "status": "True"}]}),
                fails("Pod n/p has condition ConfigIssue matching FailJob rule at index 0"),
            ),
            (
                json!([disrupted]),
                json!({"conditions": [{"type": "DisruptionTarget", "status": "False"}]}),
                Meaning::Counts,
            ),
        ] {
            assert_eq!(judge(rules.clone(), status), want, "{rules}");
        }
    }

    #[test]
    fn success_comes_with_the_first_rule_that_holds() {
        for (rules, succeeded, want) in [
            (json!([]), "0-3", None),
            (json!([{"succeededCount": 2}]), "0", None),
            (json!([{"succeededCount": 2}]), "0,5", Some(0)),
            (json!([{"succeededIndexes": "0-2"}]), "0,2", None),
            (json!([{"succeededIndexes": "0-2"}]), "0-4", Some(0)),
            (json!([{"succeededIndexes": "0-2", "succeededCount": 2}]), "0,2", Some(0)),
            (json!([{"succeededIndexes": "0-2", "succeededCount": 2}]), "0,5,6", None),
            (json!([{"succeededIndexes": "7"}, {"succeededIndexes": "1,3"}]), "1-3", Some(1)),
            (json!([{"succeededIndexes": "?"}]), "1-3", None),
        ] {
            let policy: SuccessPolicy = serde_json::from_value(json!({ "rules": rules })).unwrap();
            let told = policy.satisfied(&Indexes::parse(succeeded, 10), 10);
            assert_eq!(told, want.map(|at| format!("Matched rules at index {at}")), "{rules} {succeeded}");
        }
    }
}
