//! The members of pods and volumes that name other objects.

use serde::Deserialize;

use super::{Sort, Target};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    pub(super) spec: PodSpec,
    pub(super) status: PodStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) annotations: Option<std::collections::BTreeMap<String, serde::de::IgnoredAny>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodStatus {
    pub(super) resource_claim_statuses: Option<Vec<ClaimStatus>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClaimStatus {
    pub(super) resource_claim_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodSpec {
    pub(super) node_name: String,
    pub(super) service_account_name: String,
    pub(super) image_pull_secrets: Option<Vec<Target>>,
    pub(super) init_containers: Option<Vec<Container>>,
    pub(super) containers: Option<Vec<Container>>,
    pub(super) ephemeral_containers: Option<Vec<Container>>,
    pub(super) volumes: Option<Vec<PodVolume>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Container {
    pub(super) env: Option<Vec<Env>>,
    pub(super) env_from: Option<Vec<EnvFrom>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Env {
    pub(super) value_from: Option<ValueFrom>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ValueFrom {
    pub(super) secret_key_ref: Option<Target>,
    pub(super) config_map_key_ref: Option<Target>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct EnvFrom {
    pub(super) secret_ref: Option<Target>,
    pub(super) config_map_ref: Option<Target>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodVolume {
    pub(super) name: String,
    pub(super) secret: Option<SecretVolume>,
    pub(super) config_map: Option<Target>,
    pub(super) projected: Option<Projected>,
    pub(super) persistent_volume_claim: Option<ClaimVolume>,
    pub(super) ephemeral: Option<serde::de::IgnoredAny>,
    pub(super) csi: Option<CsiVolume>,
    pub(super) azure_file: Option<SecretVolume>,
    pub(super) cephfs: Option<WithSecret>,
    pub(super) cinder: Option<WithSecret>,
    pub(super) flex_volume: Option<WithSecret>,
    pub(super) rbd: Option<WithSecret>,
    #[serde(rename = "scaleIO")]
    pub(super) scale_io: Option<WithSecret>,
    pub(super) iscsi: Option<WithSecret>,
    pub(super) storageos: Option<WithSecret>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SecretVolume {
    pub(super) secret_name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClaimVolume {
    pub(super) claim_name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CsiVolume {
    pub(super) node_publish_secret_ref: Option<Target>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WithSecret {
    pub(super) secret_ref: Option<Target>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Projected {
    pub(super) sources: Option<Vec<Source>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Source {
    pub(super) secret: Option<Target>,
    pub(super) config_map: Option<Target>,
}

impl PodSpec {
    pub(super) fn secrets_and_maps(&self, named: &mut Vec<(Sort, String)>) {
        let mut name = |sort, target: &Option<Target>| named.extend(target.iter().map(|t| (sort, t.name.clone())));
        for secret in self.image_pull_secrets.iter().flatten() {
            name(Sort::Secret, &Some(secret.clone()));
        }
        let all = [&self.init_containers, &self.containers, &self.ephemeral_containers];
        for container in all.into_iter().flatten().flatten() {
            for source in container.env.iter().flatten().filter_map(|e| e.value_from.as_ref()) {
                name(Sort::Secret, &source.secret_key_ref);
                name(Sort::ConfigMap, &source.config_map_key_ref);
            }
            for source in container.env_from.iter().flatten() {
                name(Sort::Secret, &source.secret_ref);
                name(Sort::ConfigMap, &source.config_map_ref);
            }
        }
    }

    pub(super) fn volumes(&self, pod: &str, named: &mut Vec<(Sort, String)>) {
        for v in self.volumes.iter().flatten() {
            let secrets =
                [&v.secret, &v.azure_file].into_iter().flatten().map(|s| (Sort::Secret, s.secret_name.clone()));
            named.extend(secrets);
            let drivers = [&v.cephfs, &v.cinder, &v.flex_volume, &v.rbd, &v.scale_io, &v.iscsi, &v.storageos];
            let refs = drivers.into_iter().flatten().filter_map(|d| d.secret_ref.as_ref());
            let refs = refs.chain(v.csi.iter().filter_map(|c| c.node_publish_secret_ref.as_ref()));
            named.extend(refs.map(|s| (Sort::Secret, s.name.clone())));
            named.extend(v.config_map.iter().map(|c| (Sort::ConfigMap, c.name.clone())));
            named.extend(v.persistent_volume_claim.iter().map(|c| (Sort::Claim, c.claim_name.clone())));
            named.extend(v.ephemeral.iter().map(|_| (Sort::Claim, format!("{pod}-{}", v.name))));
            for source in v.projected.iter().flat_map(|p| p.sources.iter().flatten()) {
                named.extend(source.secret.iter().map(|s| (Sort::Secret, s.name.clone())));
                named.extend(source.config_map.iter().map(|c| (Sort::ConfigMap, c.name.clone())));
            }
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Volume {
    pub(super) spec: VolumeSpec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct VolumeSpec {
    pub(super) claim_ref: Option<Target>,
    pub(super) csi: Option<CsiSecrets>,
    pub(super) flex_volume: Option<WithSecret>,
    pub(super) cephfs: Option<WithSecret>,
    pub(super) rbd: Option<WithSecret>,
    pub(super) iscsi: Option<WithSecret>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CsiSecrets {
    #[serde(rename = "nodePublishSecretRef")]
    pub(super) node_publish: Option<Target>,
    #[serde(rename = "nodeStageSecretRef")]
    pub(super) node_stage: Option<Target>,
    #[serde(rename = "nodeExpandSecretRef")]
    pub(super) node_expand: Option<Target>,
}
