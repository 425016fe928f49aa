//! The Lease that tells cheaply that the node lives.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use knarr_api::{Reason, Status, value};
use knarr_client::{
    Api, ApiExt,
    resources::{LEASES, NODES},
};
use knarr_daemon::Stop;
use tokio::sync::Notify;

const NAMESPACE: &str = "kube-node-lease";
const DURATION: i64 = 40;
const PERIOD: Duration = Duration::from_secs(10);

/// Renews until stopped. While the API is away it is tried every second. The lease goes with its Node: who finds neither
/// tells `lost`, so that the Node is made again.
pub(crate) async fn renew(
    api: Arc<dyn Api>,
    node: String,
    lost: Arc<Notify>,
    stop: Stop,
) -> Result<(), knarr_daemon::Error> {
    loop {
        let wait = match once(&*api, &node).await {
            Ok(()) => PERIOD,
            Err(e) => {
                tracing::debug!(error = %e, "node lease not renewed");
                if e.is(Reason::NotFound) {
                    lost.notify_one();
                }
                Duration::from_secs(1)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

async fn once(api: &dyn Api, node: &str) -> Result<(), Status> {
    let now = micro(Timestamp::now());
    let spec = value!({
        "holderIdentity": node, "leaseDurationSeconds": DURATION, "renewTime": now.as_str(),
    });
    let mut body = value!({});
    body.set(&["spec"], spec);
    match api.merge(&LEASES, NAMESPACE, node, "", body.clone()).await {
        Ok(_) => Ok(()),
        Err(e) if e.is(Reason::NotFound) => {
            // Owned by the Node, so that it goes with it.
            let uid = api.get(&NODES, "", node).await?.meta().uid.to_string();
            body.set(&["metadata", "name"], node);
            body.set(&["metadata", "namespace"], NAMESPACE);
            body.set(
                &["metadata", "ownerReferences"],
                knarr_api::Value::Array(vec![value!({ "apiVersion": "v1", "kind": "Node", "name": node, "uid": uid })]),
            );
            api.create(&LEASES, NAMESPACE, body).await.map(drop)
        }
        Err(e) => Err(e),
    }
}

/// RFC 3339 with exactly six digits of a second, as `metav1.MicroTime` wants it.
fn micro(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits() {
        assert_eq!(micro(Timestamp::from_second(0).unwrap()), "1970-01-01T00:00:00.000000Z");
    }
}
