//! Exec, attach and port-forward: the client's session is joined with the runtime's, whatever protocol either speaks;
//! a forwarded connection is one made inside the pod's network namespace.

use std::{sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use knarr_cri::{Runtime, v1};
use knarr_daemon::Crowd;
use knarr_stream::{Ending, Forward, Options, Outcome, Session, accept_exec, accept_forward, client, splice};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    Query, Refused,
    body::{Body, full},
    netns,
};
use crate::{
    pod,
    registry::Registry,
    shared::Shared,
    sync::{Observed, State},
    worker::Handle,
};

/// What the agent speaks to the runtime's streaming server.
const RUNTIME_PROTOCOL: &str = "v4.channel.k8s.io";

/// `what` is `exec`, `attach` or `portForward`; `rest` is namespace, pod, maybe its UID, and the container.
pub(super) async fn stream(
    shared: &Arc<Shared>,
    registry: &Registry,
    crowd: &Crowd,
    what: &str,
    rest: &[String],
    query: &Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    let [namespace, name, more @ ..] = rest else {
        return Err(Refused::new(StatusCode::NOT_FOUND, "404 page not found\n"));
    };
    let handle = registry
        .find(namespace, name)
        .ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, format!("pod does not exist: {namespace}/{name}\n")))?;
    let seen = handle.seen();
    if what == "portForward" {
        return forward(shared, crowd, &handle, name, query, request).await;
    }
    let pod = handle.pod();
    let first = pod::spec(&pod).containers.first().map(|c| c.name.clone()).unwrap_or_default();
    let container = more.last().cloned().unwrap_or(first);
    let id = running(&seen, &container)
        .ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, format!("container not found ({container:?})\n")))?;
    let options = options(query);
    if !options.stdin && !options.stdout && !options.stderr {
        let message = "you must specify at least 1 of stdin, stdout, stderr\n";
        return Err(Refused::new(StatusCode::BAD_REQUEST, message));
    }
    let accepted = accept_exec(request.headers()).map_err(|e| Refused::new(e.status(), format!("{e}\n")))?;
    let Options { stdin, stdout, stderr, tty } = options;
    let stderr = stderr && !tty;
    // The input of a container outlives a client that was attached to it, unless the container says otherwise.
    let once = what == "exec" || pod::part(&pod, &container).is_some_and(|p| p.spec.stdin_once == Some(true));
    let ending = if once { Ending::Passed } else { Ending::Kept };
    let refused = |e: knarr_cri::CriError| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{}\n", e.message));
    let mut watching = None;
    let url = match what {
        "exec" => {
            let cmd = query.all("command");
            if cmd.is_empty() {
                return Err(Refused::new(StatusCode::BAD_REQUEST, "you must specify a command\n"));
            }
            shared.runtime.exec(v1::ExecRequest { container_id: id, cmd, tty, stdin, stdout, stderr }).await
        }
        _ => {
            let all = v1::AttachRequest { container_id: id, stdin, tty, stdout, stderr };
            if ending == Ending::Kept && stdin && (stdout || stderr) {
                watching = Some(v1::AttachRequest { stdin: false, ..all.clone() });
            }
            shared.runtime.attach(all).await
        }
    };
    let url = url.map_err(refused)?;
    let (response, upgrade) = (accepted.response.clone(), hyper::upgrade::on(request));
    let runtime = shared.runtime.clone();
    let started = crowd.try_spawn(|stop| async move {
        let Some(io) = upgraded(upgrade).await else { return };
        let (session, driver) = accepted.session(io, options);
        let joined = async { tokio::join!(driver, join(&*runtime, session, &url, watching, options, ending)).0 };
        tokio::select! {
            end = joined => if let Err(e) = end {
                tracing::debug!(error = %e, "session ended");
            },
            () = stop.cancelled() => {}
        }
    });
    switched(started, response)
}

/// The newest container of that name, if it runs.
fn running(seen: &Observed, name: &str) -> Option<String> {
    seen.latest(name).filter(|c| c.state == State::Running).map(|c| c.id.clone())
}

/// Which streams: named as in the kubelet's own API, or as in the API server's.
fn options(query: &Query) -> Options {
    let either = |a: &str, b: &str| query.flag(a) || query.flag(b);
    Options {
        stdin: either("input", "stdin"),
        stdout: either("output", "stdout"),
        stderr: either("error", "stderr"),
        tty: query.flag("tty"),
    }
}

fn switched(started: bool, response: Response<()>) -> Result<Response<Body>, Refused> {
    if !started {
        return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "too many requests\n"));
    }
    Ok(response.map(|()| full("")))
}

async fn upgraded(upgrade: OnUpgrade) -> Option<TokioIo<hyper::upgrade::Upgraded>> {
    match upgrade.await {
        Ok(io) => Some(TokioIo::new(io)),
        Err(e) => {
            tracing::debug!(error = %e, "the connection was not upgraded");
            None
        }
    }
}

/// How long a client is waited for that may have nothing to type.
const HESITATION: Duration = Duration::from_millis(100);

/// Joins a session with the one at the runtime's streaming URL, or with one for `watching` where the client has nothing to
/// type. containerd ends the output of an attached client when its input ends, and its input when either output does: to
/// one that only watches, what a container says last would be lost now and then.
async fn join(
    runtime: &dyn Runtime,
    mut session: Session,
    url: &str,
    watching: Option<v1::AttachRequest>,
    mut options: Options,
    ending: Ending,
) {
    let mut url = url.to_owned();
    if let Some(request) = watching
        && session.is_silent(HESITATION).await
        && let Ok(other) = runtime.attach(request).await
    {
        (options.stdin, url) = (false, other);
    }
    match dial(&url).await {
        Ok(io) => {
            let (server, driver) = client::exec(io, options);
            // The driver ends with the connection, at the latest when both sessions are dropped.
            let (_, ()) = tokio::join!(driver, splice(session, server, ending));
        }
        Err(message) => session.finish(Outcome::failure(message)),
    }
}

async fn dial(url: &str) -> Result<client::Upgraded<TcpStream>, String> {
    let words = |e: &(dyn std::error::Error + 'static)| format!("error dialing backend: {}", knarr_daemon::chain(e));
    let address = client::address(url).map_err(|e| words(&e))?;
    let address: std::net::SocketAddr = address.parse().map_err(|e| words(&e))?;
    let tcp = TcpStream::connect(address).await.map_err(|e| words(&e))?;
    client::upgrade(tcp, url, RUNTIME_PROTOCOL).await.map_err(|e| words(&e))
}

/// The sandbox, if it runs.
fn ready(seen: &Observed) -> Option<String> {
    seen.sandbox().filter(|s| s.ready).map(|s| s.id.clone())
}

async fn forward(
    shared: &Arc<Shared>,
    crowd: &Crowd,
    handle: &Handle,
    name: &str,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    let id = ready(&handle.seen())
        .ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, format!("pod {name:?} has no running sandbox\n")))?;
    let mut sights = handle.sights();
    let ports: Vec<u16> =
        query.all("port").iter().flat_map(|list| list.split(',')).filter_map(|p| p.parse().ok()).collect();
    let accepted = accept_forward(request.headers()).map_err(|e| Refused::new(e.status(), format!("{e}\n")))?;
    let namespace = netns::path(&*shared.runtime, &id).await;
    let namespace = namespace.map_err(|e| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")))?;
    let (response, upgrade) = (accepted.response.clone(), hyper::upgrade::on(request));
    let relays = crowd.clone();
    let started = crowd.try_spawn(|stop| async move {
        let Some(io) = upgraded(upgrade).await else { return };
        let (mut forwards, driver) = accepted.forwards(io, &ports);
        let taking = async {
            while let Some(forward) = forwards.recv().await {
                let namespace = namespace.clone();
                // Full: the forward is dropped, which ends its streams.
                let _ = relays.try_spawn(|_| relay(forward, namespace));
            }
        };
        let both = async { tokio::join!(driver, taking).0 };
        // Clients learn by the end of the connection that the pod is gone. An error: it is forgotten altogether.
        let gone = async {
            let _ = sights.wait_for(|seen| ready(seen).as_ref() != Some(&id)).await;
        };
        tokio::select! {
            end = both => if let Err(e) = end {
                tracing::debug!(error = %e, "port-forward ended");
            },
            () = gone => {}
            () = stop.cancelled() => {}
        }
    });
    switched(started, response)
}

async fn relay(forward: Forward, namespace: Option<String>) {
    let port = forward.port;
    let mut pod = match netns::dial(namespace, port).await {
        Ok(stream) => stream,
        Err(e) => {
            let message = format!(
                "error forwarding port {port} to pod: failed to connect to localhost:{port} inside namespace: {e}"
            );
            return forward.fail(&message).await;
        }
    };
    let (mut data, end) = forward.split();
    // Clients take a message as the end of all their forwards. One that broke off, at whichever side, is none for the others.
    if let Err(e) = tokio::io::copy_bidirectional(&mut data, &mut pod).await {
        tracing::debug!(port, error = %e, "forwarded connection broke off");
    }
    let _ = data.shutdown().await;
    drop(data);
    end.finish(Ok(())).await;
}
