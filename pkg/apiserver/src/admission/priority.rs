//! Priority: a pod's PriorityClass becomes its priority and preemption policy.

use knarr_api::{Object, Status, Value};
use serde::Deserialize;

use super::{Attributes, Operation, Plugin};

/// See the module.
pub struct Priority;

const GROUP: &str = "scheduling.k8s.io";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Class {
    value: i64,
    #[serde(default)]
    global_default: bool,
    preemption_policy: Option<String>,
}

fn class(object: &Object) -> Result<Class, Status> {
    object.decode().map_err(|e| Status::internal(format!("priority class {}: {e}", object.name())))
}

/// The class of pods that name none: of several marked ones the lowest.
fn default_class(a: &Attributes<'_>) -> Result<Option<(String, Class)>, Status> {
    let mut found: Option<(String, Class)> = None;
    for object in a.view.list(GROUP, "priorityclasses") {
        let class = class(&object)?;
        if class.global_default && found.as_ref().is_none_or(|(_, best)| class.value < best.value) {
            found = Some((object.name().to_owned(), class));
        }
    }
    Ok(found)
}

impl Priority {
    fn admit_pod(a: &Attributes<'_>, pod: &mut Value) -> Result<(), Status> {
        let wanted = pod.str_at(&["spec", "priorityClassName"]).to_owned();
        let (value, policy) = if wanted.is_empty() {
            match default_class(a)? {
                Some((name, class)) => {
                    pod.set(&["spec", "priorityClassName"], name);
                    (class.value, class.preemption_policy)
                }
                None => (0, None),
            }
        } else {
            let object = a.view.get(GROUP, "priorityclasses", "", &wanted);
            let object = object.ok_or_else(|| a.forbid(&format!("no PriorityClass with name {wanted} was found")))?;
            let class = class(&object)?;
            (class.value, class.preemption_policy)
        };
        let policy = policy.unwrap_or_else(|| "PreemptLowerPriority".to_owned());
        if let Some(given) = pod.at(&["spec", "priority"]).and_then(Value::as_i64)
            && given != value
        {
            return Err(a.forbid(&format!(
                "the integer value of priority ({given}) must not be provided in pod spec; priority admission \
                 controller computed {value} from the given PriorityClass name"
            )));
        }
        let given = pod.str_at(&["spec", "preemptionPolicy"]);
        if !given.is_empty() && given != policy {
            return Err(a.forbid(&format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
                 controller computed {policy} from the given PriorityClass name"
            )));
        }
        pod.set(&["spec", "priority"], value);
        pod.set(&["spec", "preemptionPolicy"], policy);
        Ok(())
    }
}

impl Plugin for Priority {
    fn name(&self) -> &'static str {
        "Priority"
    }

    fn mutate(&self, a: &Attributes<'_>, object: &mut Value) -> Result<(), Status> {
        if !a.is("", "pods") {
            return Ok(());
        }
        match (a.operation, a.old) {
            (Operation::Create, _) => Self::admit_pod(a, object),
            (Operation::Update, Some(old)) => {
                for key in ["priority", "preemptionPolicy"] {
                    if object.at(&["spec", key]).is_none()
                        && let Some(before) = old.at(&["spec", key])
                    {
                        object.set(&["spec", key], before.clone());
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn validate(&self, a: &Attributes<'_>, object: Option<&Value>) -> Result<(), Status> {
        let Some(object) = object.filter(|_| a.is(GROUP, "priorityclasses")) else { return Ok(()) };
        if object.get("globalDefault").and_then(Value::as_bool) != Some(true) {
            return Ok(());
        }
        match default_class(a)? {
            Some((name, _)) if name != a.name => {
                Err(a.forbid(&format!("PriorityClass {name} is already marked as default. Only one default can exist")))
            }
            _ => Ok(()),
        }
    }
}
