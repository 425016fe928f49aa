//! Kinds that look like the real ones, for the tests of patches and ownership.

use crate::{
    Value,
    schema::{Schema, text},
};

const KINDS: &str = r#"
package io.example.v1
version v1

struct TypeMeta
  kind        - string omitempty
  apiVersion  - string omitempty

struct ObjectMeta
  name              1 string               omitempty
  namespace         3 string               omitempty
  uid               5 string               omitempty
  resourceVersion   6 string               omitempty
  generation        7 int64                omitempty
  creationTimestamp 8 time                 omitzero
  labels           11 {}string             omitempty
  annotations      12 {}string             omitempty
  ownerReferences  13 [by:uid]Owner        omitempty merge(uid)
  finalizers       14 [set]string          omitempty merge
  managedFields    17 []Managed            omitempty

struct Owner atomic
  uid         1 string
  name        2 string

struct Managed
  manager     1 string    omitempty
  operation   2 string    omitempty
  apiVersion  3 string    omitempty
  time        4 *time     omitempty
  fieldsType  6 string    omitempty
  fieldsV1    7 *fieldsV1 omitempty
  subresource 8 string    omitempty

struct Deployment kind
  TypeMeta - TypeMeta         inline
  metadata 1 ObjectMeta       omitempty
  spec     2 DeploymentSpec   omitempty
  status   3 DeploymentStatus omitempty

struct DeploymentSpec
  replicas   1 *int32      omitempty
  selector   2 *Selector
  template   3 Template
  strategy   4 Rollout     omitempty retainKeys
  extension  5 *rawExtension omitempty
  free       6 *json       omitempty

struct DeploymentStatus
  replicas   1 int32              omitempty
  conditions 2 [by:type]Condition omitempty merge(type)

struct Condition
  type               1 string
  status             2 string
  lastTransitionTime 3 time omitempty

struct Rollout
  type          1 string omitempty
  rollingUpdate 2 *RollingUpdate omitempty

struct RollingUpdate
  maxSurge  1 *intOrString omitempty

struct Selector atomic
  matchLabels 1 {}string omitempty

struct Template
  metadata 1 ObjectMeta omitempty
  spec     2 PodSpec    omitempty

struct PodSpec
  containers   1 [by:name]Container omitempty merge(name)
  volumes      2 [by:name]Volume    omitempty merge+retainKeys(name)
  tolerations  3 []Toleration       omitempty
  nodeSelector 4 {atomic}string     omitempty
  secrets      5 [by:name]Secret    omitempty merge(name)

struct Secret atomic
  name 1 string default="" omitempty

struct Toleration
  key   1 string omitempty
  value 2 string omitempty

struct Volume
  name     1 string
  hostPath 2 *HostPath omitempty
  emptyDir 3 *Empty    omitempty

struct HostPath
  path 1 string

struct Empty
  medium 1 string omitempty

struct Container
  name  1 string
  image 2 string                                   omitempty
  args  3 []string                                 omitempty
  env   4 [by:name]Env                             omitempty merge(name)
  ports 5 [by:containerPort,protocol]ContainerPort omitempty merge(containerPort)
  resources 6 Resources                            omitempty

struct Resources
  limits 1 {}quantity omitempty

struct Env
  name  1 string
  value 2 string omitempty

struct ContainerPort
  name          1 string omitempty
  containerPort 2 int32
  protocol      3 string omitempty default="TCP"
"#;

/// The deployment of these kinds.
pub(crate) fn deployment() -> Schema {
    let parsed = text::parse(&[("kinds", KINDS)]).unwrap();
    parsed.schema("io.example.v1.Deployment").unwrap()
}

/// A tree from JSON text.
#[track_caller]
pub(crate) fn tree(json: &str) -> Value {
    crate::json::parse(json.as_bytes(), &crate::json::Limits::default()).unwrap().value
}

/// A tree as JSON text.
pub(crate) fn text(value: &Value) -> String {
    let mut out = Vec::new();
    crate::json::write(value, &mut out);
    String::from_utf8(out).unwrap()
}
