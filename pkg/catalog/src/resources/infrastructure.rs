//! What pods run on and are reached through: nodes' leases and runtimes, networks, volumes, devices.

use super::row::{Group, Row};

pub(super) const GROUPS: &[Group] = &[
    Group {
        group: "coordination.k8s.io",
        version: "v1",
        rows: &[Row::new("Lease", "leases").create_on_update().conditional_update()],
    },
    Group {
        group: "discovery.k8s.io",
        version: "v1",
        rows: &[Row::new("EndpointSlice", "endpointslices").generation()],
    },
    Group { group: "networking.k8s.io", version: "v1", rows: NETWORKING },
    Group {
        group: "node.k8s.io",
        version: "v1",
        rows: &[Row::cluster("RuntimeClass", "runtimeclasses").create_on_update().conditional_update()],
    },
    Group { group: "resource.k8s.io", version: "v1", rows: RESOURCE },
    Group { group: "storage.k8s.io", version: "v1", rows: STORAGE },
];

const NETWORKING: &[Row] = &[
    Row::cluster("IngressClass", "ingressclasses").generation(),
    Row::new("Ingress", "ingresses").short(&["ing"]).status(&["spec"]).generation(),
    Row::cluster("IPAddress", "ipaddresses").short(&["ip"]),
    Row::new("NetworkPolicy", "networkpolicies").short(&["netpol"]).generation(),
    Row::cluster("ServiceCIDR", "servicecidrs").status(&["metadata", "spec"]),
];

const RESOURCE: &[Row] = &[
    Row::cluster("DeviceClass", "deviceclasses").generation(),
    Row::new("ResourceClaim", "resourceclaims").status(&["metadata", "spec"]),
    Row::new("ResourceClaimTemplate", "resourceclaimtemplates"),
    Row::cluster("ResourceSlice", "resourceslices")
        .generation()
        .selectable(&[("spec.driver", "spec.driver"), ("spec.nodeName", "spec.nodeName")]),
];

const STORAGE: &[Row] = &[
    Row::cluster("CSIDriver", "csidrivers").generation().conditional_update(),
    Row::cluster("CSINode", "csinodes").conditional_update(),
    Row::new("CSIStorageCapacity", "csistoragecapacities").conditional_update(),
    Row::cluster("StorageClass", "storageclasses").short(&["sc"]),
    Row::cluster("VolumeAttachment", "volumeattachments").status(&["metadata", "spec"]).conditional_update(),
    Row::cluster("VolumeAttributesClass", "volumeattributesclasses").short(&["vac"]),
];
