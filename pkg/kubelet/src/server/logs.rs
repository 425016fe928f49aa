//! `GET /containerLogs/{namespace}/{pod}/{container}`.

use std::{path::PathBuf, sync::Arc};

use http::{Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use knarr_daemon::Crowd;

use super::{
    Query, Refused,
    body::{Body, piped},
};
use crate::{
    logs::{LogOptions, stream},
    pod,
    registry::Registry,
    sync::{Observed, State},
    worker::Handle,
};

/// Answers with the log, which goes on being written while it is read.
pub(super) async fn logs(
    registry: &Arc<Registry>,
    crowd: &Crowd,
    namespace: &str,
    name: &str,
    container: &str,
    query: &Query,
) -> Result<Response<Body>, Refused> {
    let handle = registry
        .find(namespace, name)
        .ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, format!("pod {name:?} does not exist\n")))?;
    if pod::part(&handle.pod(), container).is_none() {
        let message = format!("container {container:?} not found in pod {name:?}\n");
        return Err(Refused::new(StatusCode::NOT_FOUND, message));
    }
    let options = options(query, Timestamp::now())?;
    let (id, path) = choose(&handle, &handle.seen(), container, options.previous)?;
    let (mut writer, body) = piped();
    let watcher = writer.watcher();
    let mut sights = handle.sights();
    let started = crowd.try_spawn(|stop| async move {
        let running = |seen: &Observed| seen.containers.iter().any(|c| c.id == id && c.state == State::Running);
        let ended = async {
            // An error: the pod is forgotten, and with it its containers.
            let _ = sights.wait_for(|seen| !running(seen)).await;
        };
        tokio::select! {
            end = stream(&path, options, &mut writer, ended) => if let Err(e) = end {
                tracing::debug!(path = %path.display(), error = %e, "log not read");
            },
            () = watcher.closed() => {}
            () = stop.cancelled() => {}
        }
    });
    if !started {
        return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "too many requests\n"));
    }
    Ok(Response::new(body))
}

fn options(query: &Query, now: Timestamp) -> Result<LogOptions, Refused> {
    let bad = |what: &str| Refused::new(StatusCode::BAD_REQUEST, format!("invalid value for {what}\n"));
    let number = |name: &str| match query.get(name) {
        None | Some("") => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| bad(name)),
    };
    let since = match (query.get("sinceTime"), number("sinceSeconds")?) {
        (Some(at), None) => Some(at.parse().map_err(|_| bad("sinceTime"))?),
        (None, Some(seconds)) => {
            let age = i64::try_from(seconds).map_err(|_| bad("sinceSeconds"))?;
            now.checked_sub(SignedDuration::from_secs(age)).ok()
        }
        (None, None) => None,
        (Some(_), Some(_)) => return Err(bad("sinceTime: at most one of sinceTime or sinceSeconds may be specified")),
    };
    let stdout = match query.get("stream") {
        None | Some("" | "All") => None,
        Some("Stdout") => Some(true),
        Some("Stderr") => Some(false),
        Some(_) => return Err(bad("stream")),
    };
    Ok(LogOptions {
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        since,
        tail: number("tailLines")?,
        limit: number("limitBytes")?,
        stdout,
    })
}

/// The container whose log is meant.
fn choose(handle: &Handle, seen: &Observed, name: &str, previous: bool) -> Result<(String, PathBuf), Refused> {
    let pod = handle.pod();
    let found = if previous { seen.previous(name) } else { seen.latest(name).filter(|c| c.state != State::Created) };
    // One that is about to be started has no log yet: its predecessor's is the newest there is.
    let found = found.or_else(|| if previous { None } else { seen.previous(name) });
    if let Some(c) = found {
        return Ok((c.id.clone(), PathBuf::from(&c.log_path)));
    }
    let message = if previous {
        format!("previous terminated container {name:?} in pod {:?} not found\n", pod::name(&pod))
    } else {
        let reason = waiting(&pod, name).unwrap_or_else(|| "ContainerCreating".to_owned());
        match reason.as_str() {
            "ErrImagePull" | "ImagePullBackOff" => format!(
                "container {name:?} in pod {:?} is waiting to start: {}\n",
                pod::name(&pod),
                if reason == "ErrImagePull" { "image can't be pulled" } else { "trying and failing to pull image" }
            ),
            _ => format!("container {name:?} in pod {:?} is waiting to start: {reason}\n", pod::name(&pod)),
        }
    };
    Err(Refused::new(StatusCode::BAD_REQUEST, message))
}

fn waiting(pod: &k8s_openapi::api::core::v1::Pod, name: &str) -> Option<String> {
    let status = pod.status.as_ref()?;
    let lists = [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
    let found = lists.into_iter().flatten().flatten().find(|s| s.name == name)?;
    found.state.as_ref()?.waiting.as_ref()?.reason.clone()
}
