//! Services as pods learn of them through their environment: a small projection of all of them.

use knarr_api::Object;
use serde::Deserialize;

use crate::translate::{Service, ServicePort};

/// The projection; nothing for Services without an address or ports.
pub(crate) fn project(object: &Object) -> Option<Service> {
    let wire: wire::Service = object.decode().ok()?;
    let ip = wire.spec.cluster_ip.filter(|ip| !ip.is_empty() && ip != "None")?;
    let ports: Vec<ServicePort> = wire
        .spec
        .ports
        .into_iter()
        .map(|p| ServicePort {
            name: p.name.unwrap_or_default(),
            port: p.port,
            protocol: p.protocol.unwrap_or_else(|| "TCP".to_owned()),
        })
        .collect();
    (!ports.is_empty()).then(|| Service {
        namespace: object.namespace().to_owned(),
        name: object.name().to_owned(),
        ip,
        ports,
    })
}

mod wire {
    use super::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct Service {
        pub(super) spec: Spec,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Spec {
        #[serde(rename = "clusterIP")]
        pub(super) cluster_ip: Option<String>,
        #[serde(default)]
        pub(super) ports: Vec<Port>,
    }

    #[derive(Deserialize)]
    pub(super) struct Port {
        pub(super) name: Option<String>,
        pub(super) port: i32,
        pub(super) protocol: Option<String>,
    }
}
