//! ServiceAccount: every pod runs as one, and finds its token where clients look for it.

use knarr_api::{Status, Value, value};
use serde::Deserialize;

use super::{Attributes, Operation, Plugin};
use crate::registry::suffix;

/// Where clients look for token, CA and namespace.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Volume names begin so.
const VOLUME: &str = "kube-api-access-";
/// Marks pods a node made from a manifest of its own.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// See the module.
pub struct ServiceAccount;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    automount_service_account_token: Option<bool>,
    #[serde(default)]
    image_pull_secrets: Vec<PullSecret>,
}

#[derive(Deserialize)]
struct PullSecret {
    #[serde(default)]
    name: String,
}

impl Plugin for ServiceAccount {
    fn name(&self) -> &'static str {
        "ServiceAccount"
    }

    fn mutate(&self, a: &Attributes<'_>, pod: &mut Value) -> Result<(), Status> {
        if a.operation != Operation::Create || !a.is("", "pods") {
            return Ok(());
        }
        if pod.at(&["metadata", "annotations", MIRROR]).is_some() {
            return Ok(()); // judged in `validate`
        }
        if pod.str_at(&["spec", "serviceAccountName"]).is_empty() {
            pod.set(&["spec", "serviceAccountName"], "default");
        }
        let name = pod.str_at(&["spec", "serviceAccountName"]).to_owned();
        pod.set(&["spec", "serviceAccount"], name.as_str());
        let account: Account = match a.view.get("", "serviceaccounts", a.namespace, &name) {
            Some(object) => object.decode().map_err(|e| Status::internal(format!("service account {name}: {e}")))?,
            None => {
                let ns = a.namespace;
                let why = format!("error looking up service account {ns}/{name}: serviceaccount {name:?} not found");
                return Err(a.forbid(&why));
            }
        };
        let own = pod.at(&["spec", "automountServiceAccountToken"]).and_then(Value::as_bool);
        if own.or(account.automount_service_account_token).unwrap_or(true) {
            mount_token(pod);
        }
        if pod.list_at(&["spec", "imagePullSecrets"]).is_empty() && !account.image_pull_secrets.is_empty() {
            let secrets: Vec<_> =
                account.image_pull_secrets.iter().map(|s| value!({ "name": s.name.as_str() })).collect();
            pod.set(&["spec", "imagePullSecrets"], secrets);
        }
        Ok(())
    }

    fn validate(&self, a: &Attributes<'_>, pod: Option<&Value>) -> Result<(), Status> {
        let Some(pod) = pod.filter(|_| a.operation == Operation::Create && a.is("", "pods")) else { return Ok(()) };
        if pod.at(&["metadata", "annotations", MIRROR]).is_none() {
            return Ok(());
        }
        if !pod.str_at(&["spec", "serviceAccountName"]).is_empty() {
            return Err(a.forbid("a mirror pod may not reference service accounts"));
        }
        for volume in pod.list_at(&["spec", "volumes"]) {
            let tokens =
                volume.list_at(&["projected", "sources"]).iter().any(|s| s.get("serviceAccountToken").is_some());
            if tokens {
                return Err(a.forbid("a mirror pod may not use ServiceAccountToken volume projections"));
            }
        }
        Ok(())
    }
}

/// Mounts the token volume into every container that has nothing at its place.
fn mount_token(pod: &mut Value) {
    let existing = pod
        .list_at(&["spec", "volumes"])
        .iter()
        .map(|v| v.str_at(&["name"]))
        .find(|name| name.starts_with(VOLUME))
        .map(str::to_owned);
    let name = existing.clone().unwrap_or_else(|| format!("{VOLUME}{}", suffix()));
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        let containers = pod.at_mut(&["spec", list]).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let mut mounts = container.list_at(&["volumeMounts"]).to_vec();
            if mounts.iter().any(|m| m.str_at(&["mountPath"]) == MOUNT_PATH) {
                continue;
            }
            mounts.push(value!({ "name": name.as_str(), "readOnly": true, "mountPath": MOUNT_PATH }));
            container.set(&["volumeMounts"], mounts);
            mounted = true;
        }
    }
    if mounted && existing.is_none() {
        let mut volumes = pod.list_at(&["spec", "volumes"]).to_vec();
        volumes.push(token_volume(&name));
        pod.set(&["spec", "volumes"], volumes);
    }
}

/// Token, CA bundle and namespace in one projected volume.
fn token_volume(name: &str) -> Value {
    value!({
        "name": name,
        "projected": {
            "defaultMode": 420,
            "sources": [
                // One hour and seven seconds: recognisable as ours among the expirations people choose.
                { "serviceAccountToken": { "path": "token", "expirationSeconds": 3607 } },
                { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
                { "downwardAPI": { "items": [
                    { "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } },
                ] } },
            ],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_once_and_where_nothing_is() {
        let mut pod = value!({ "spec": {
            "containers": [{ "name": "a" }, { "name": "b", "volumeMounts": [{ "name": "x", "mountPath": MOUNT_PATH }] }],
        } });
        mount_token(&mut pod);
        let again = {
            let mut again = pod.clone();
            mount_token(&mut again);
            again
        };
        assert_eq!(pod, again);
        let volumes = pod.list_at(&["spec", "volumes"]);
        assert_eq!(volumes.len(), 1);
        let name = volumes[0].str_at(&["name"]);
        assert!(name.starts_with(VOLUME) && name.len() == VOLUME.len() + 5);
        let containers = pod.list_at(&["spec", "containers"]);
        assert_eq!(containers[0].list_at(&["volumeMounts"])[0].str_at(&["name"]), name);
        assert_eq!(containers[1].list_at(&["volumeMounts"]).len(), 1);
    }
}
