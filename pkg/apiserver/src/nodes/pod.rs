//! What a stream needs to know of a pod.

use knarr_api::{Object, Status};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
    pub(super) status: PodStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    pub(super) node_name: String,
    init_containers: Option<Vec<Container>>,
    containers: Option<Vec<Container>>,
    ephemeral_containers: Option<Vec<Container>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Container {
    name: String,
    ports: Option<Vec<Port>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Port {
    container_port: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodStatus {
    pub(super) phase: String,
    #[serde(rename = "podIP")]
    pub(super) ip: String,
}

impl Pod {
    pub(super) fn of(object: &Object) -> Result<Self, Status> {
        object.decode().map_err(|e| Status::internal(format!("decode pod: {e}")))
    }

    /// The container meant, in upstream's rules and words: the only one, or the one that is named and there.
    pub(super) fn container(&self, wanted: &str) -> Result<String, Status> {
        let pod = &self.metadata.name;
        let own: Vec<&str> = self.spec.containers.iter().flatten().map(|c| c.name.as_str()).collect();
        let all = [&self.spec.init_containers, &self.spec.containers, &self.spec.ephemeral_containers];
        let all: Vec<&str> = all.into_iter().flatten().flatten().map(|c| c.name.as_str()).collect();
        match (wanted, own.as_slice()) {
            ("", [only]) => Ok((*only).to_owned()),
            ("", []) => Err(Status::bad_request(format!("a container name must be specified for pod {pod}"))),
            ("", _) => Err(Status::bad_request(format!(
                "a container name must be specified for pod {pod}, choose one of: [{}]",
                all.join(" ")
            ))),
            (name, _) if all.contains(&name) => Ok(name.to_owned()),
            (name, _) => Err(Status::bad_request(format!("container {name} is not valid for pod {pod}"))),
        }
    }

    /// The node, for what needs one.
    pub(super) fn node(&self) -> Result<&str, Status> {
        match self.spec.node_name.as_str() {
            "" => Err(Status::bad_request(format!("pod {} does not have a host assigned", self.metadata.name))),
            node => Ok(node),
        }
    }

    /// The first port any container declares.
    pub(super) fn first_port(&self) -> Option<u16> {
        let ports = self.spec.containers.iter().flatten().filter_map(|c| c.ports.as_ref()?.first());
        ports.map(|p| p.container_port).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_found_as_upstream_finds_them() {
        let one = r#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"a"}],"initContainers":[{"name":"i"}]}}"#;
        let two = r#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"a"},{"name":"b"}],"initContainers":[{"name":"i"}],"ephemeralContainers":[{"name":"e"}]}}"#;
        for (pod, wanted, want) in [
            (one, "", Ok("a")),
            (one, "i", Ok("i")),
            (one, "x", Err("container x is not valid for pod p")),
            (two, "", Err("a container name must be specified for pod p, choose one of: [i a b e]")),
            (two, "e", Ok("e")),
            (r#"{"metadata":{"name":"p"}}"#, "", Err("a container name must be specified for pod p")),
        ] {
            let pod: Pod = serde_json::from_str(pod).unwrap();
            let got = pod.container(wanted).map_err(|e| e.message().to_owned());
            assert_eq!(got.as_deref().map_err(String::as_str), want);
        }
    }
}
