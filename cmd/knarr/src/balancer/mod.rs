//! The agent's own door to the API: a loopback port that leads to whichever server answers.
//!
//! Everything on the node talks to `127.0.0.1:<--lb-server-port>`, so that servers may come and go without any client of
//! theirs being told. Bytes are passed on as they are: TLS ends at the server, whose certificate is good for the loopback
//! address too.

mod servers;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use knarr_api::Object;
use knarr_client::{Api, Cache, Selection, resources::ENDPOINT_SLICES};
use knarr_daemon::{Crowd, Stop, Tasks};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};

pub(crate) use servers::Place;
use servers::Servers;

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 1024;
/// For one server to accept.
const CONNECT: Duration = Duration::from_secs(5);
/// For the host's resolver.
const RESOLVE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Balancer(Arc<Mutex<Servers>>);

impl Balancer {
    /// One that knows the server it was told.
    pub(crate) fn new(first: Place) -> Self {
        Self(Arc::new(Mutex::new(Servers::new(first))))
    }

    /// Passes connections on until stopped.
    ///
    /// # Errors
    /// None: trouble of one connection ends that connection.
    pub(crate) async fn run(self, listener: TcpListener, stop: Stop) -> Result<(), Infallible> {
        let crowd = Crowd::new(&stop, CONNECTIONS);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return Ok(()),
            };
            match accepted {
                Ok((stream, _)) => {
                    let this = self.clone();
                    crowd
                        .spawn(|stop| async move {
                            tokio::select! {
                                () = this.pass(stream) => {}
                                () = stop.cancelled() => {}
                            }
                        })
                        .await;
                }
                Err(e) => {
                    tracing::warn!(error = %e, "accept at the balancer's port");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Follows the servers of the cluster: the endpoints of Service `default/kubernetes`.
    pub(crate) fn follow(&self, api: &Arc<dyn Api>, tasks: &Tasks) {
        let slices: Arc<Cache<Vec<SocketAddr>>> = Cache::new();
        let mut selection = Selection::all(&ENDPOINT_SLICES).fields("metadata.name=kubernetes");
        selection.namespace = "default".into();
        let (api, servers) = (api.clone(), self.0.clone());
        tasks.spawn("balancer: servers", |stop| {
            slices.run(api, selection, stop, endpoints, move |change| {
                // A list that is gone for a moment is no reason to forget anybody.
                if let Some(learnt) = change.new {
                    servers.lock().replace(learnt.iter().map(|at| Place::from(*at)).collect());
                }
            })
        });
    }

    async fn pass(self, mut client: TcpStream) {
        let order = self.0.lock().order(Instant::now());
        for place in order {
            match tokio::time::timeout(CONNECT, dial(&place))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            {
                Ok(mut server) => {
                    self.0.lock().worked(&place);
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    let _ =
                        tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, 16 << 10, 16 << 10).await;
                    return;
                }
                Err(e) => {
                    tracing::debug!(server = %place, error = %e, "the server is not there");
                    self.0.lock().failed(&place, Instant::now());
                }
            }
        }
    }
}

async fn dial(place: &Place) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{} has no address", place.host));
    for ip in resolve(&place.host).await? {
        match TcpStream::connect((ip, place.port)).await {
            Ok(stream) => return Ok(stream),
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// The addresses of a host. Names are looked up by the host's own resolver (files, DNS, whatever it is told to use),
/// which a static program can only ask through another one.
async fn resolve(host: &str) -> io::Result<Vec<std::net::IpAddr>> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![ip]);
    }
    let mut command = tokio::process::Command::new("getent");
    command.args(["ahosts", host]).kill_on_drop(true).stdin(std::process::Stdio::null());
    let asked = tokio::time::timeout(RESOLVE, command.output()).await;
    let text = asked.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??.stdout;
    let text = String::from_utf8_lossy(&text);
    let mut found: Vec<_> = text.lines().filter_map(|l| l.split_whitespace().next()?.parse().ok()).collect();
    found.dedup();
    Ok(found)
}

/// Ready endpoints of a slice.
fn endpoints(slice: &Object) -> Option<Vec<SocketAddr>> {
    #[derive(Deserialize)]
    struct Slice {
        #[serde(default)]
        endpoints: Option<Vec<Endpoint>>,
        #[serde(default)]
        ports: Option<Vec<Port>>,
    }
    #[derive(Deserialize)]
    struct Endpoint {
        #[serde(default)]
        addresses: Vec<std::net::IpAddr>,
    }
    #[derive(Deserialize)]
    struct Port {
        port: Option<u16>,
    }
    let slice: Slice = slice.decode().ok()?;
    let port = slice.ports.unwrap_or_default().iter().find_map(|p| p.port)?;
    let addresses = slice.endpoints.unwrap_or_default().into_iter().flat_map(|e| e.addresses);
    Some(addresses.map(|ip| SocketAddr::new(ip, port)).collect())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_connection_goes_to_a_server_that_is_there() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = door.local_addr().unwrap();
        let balancer = Balancer::new(gone.into());
        balancer.0.lock().replace(vec![server.local_addr().unwrap().into()]);
        let stop = Stop::new();
        let tasks = Tasks::new(&stop);
        tasks.spawn("balancer", |stop| balancer.run(door, stop));
        tasks.spawn("server", |_| async move {
            let (mut stream, _) = server.accept().await?;
            let mut four = [0; 4];
            stream.read_exact(&mut four).await?;
            stream.write_all(&four).await
        });
        let mut client = TcpStream::connect(at).await.unwrap();
        client.write_all(b"ping").await.unwrap();
        let mut back = Vec::new();
        client.read_to_end(&mut back).await.unwrap();
        assert_eq!(back, b"ping");
        tasks.stop_all(Duration::from_secs(5)).await;
    }

    #[test]
    fn servers_are_the_endpoints_of_the_service() {
        let json = r#"{"metadata":{"name":"kubernetes"},"endpoints":[{"addresses":["10.0.0.1"]},{"addresses":["10.0.0.2"]}],"ports":[{"port":6443}]}"#;
        let slice = Object::from_json(bytes::Bytes::from_static(json.as_bytes())).unwrap();
        assert_eq!(endpoints(&slice).unwrap(), ["10.0.0.1:6443".parse().unwrap(), "10.0.0.2:6443".parse().unwrap()]);
    }
}
