//! Endpoints come and go under load.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Method, Request, Response};
use knarr_client::{ApiExt as _, resources};
use knarr_daemon::{Crowd, Stop};

use crate::{
    pods::Pod,
    support::{World, empty, full, read, site, slice},
};

const ENDING: &str = "ready: false, serving: true, terminating: true";

async fn working(name: usize) -> Pod {
    Pod::serving(move |_| async move {
        tokio::time::sleep(Duration::from_millis(3)).await;
        Response::new(full(format!("pod-{name}")))
    })
    .await
}

/// From leaving the table to the end of a pod: a POST that is on its way when its pod closes the connection can neither
/// be answered nor repeated, whoever balances.
const DRAIN: Duration = Duration::from_millis(50);

/// A rolling update as the cluster shows it: the new pod is ready, the old one is terminating, then told to stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_update_under_load_fails_no_request() {
    let mut pods = vec![working(0).await, working(1).await];
    let world = Arc::new(World::new(&site("shop.test", "web")).await);
    for (n, pod) in pods.iter().enumerate() {
        world.apply(&slice("web", &format!("web-{n}"), pod.at, "")).await;
    }
    world.until(|t| pods.iter().all(|p| t.to_string().contains(&p.at.to_string()))).await;

    let clients = Crowd::new(&Stop::new(), 100);
    let enough = Arc::new(AtomicBool::new(false));
    let (answered, failures) = (Arc::new(AtomicUsize::new(0)), Arc::new(parking_lot::Mutex::new(Vec::new())));
    for client in 0..8 {
        let (world, enough) = (world.clone(), enough.clone());
        let (answered, failures) = (answered.clone(), failures.clone());
        assert!(clients.try_spawn(|_| async move {
            let mut connection = world.connect().await;
            while !enough.load(Ordering::Relaxed) {
                let (method, body) = if client % 2 == 0 { (Method::GET, empty()) } else { (Method::POST, full("x")) };
                let request =
                    Request::builder().method(method).uri("/").header("host", "shop.test").body(body).unwrap();
                connection.ready().await.unwrap();
                match connection.send_request(request).await {
                    Ok(answer) => match read(answer).await {
                        (200, text) if text.starts_with("pod-") => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        other => failures.lock().push(format!("{other:?}")),
                    },
                    Err(e) => failures.lock().push(format!("{e:?}")),
                }
            }
        }));
    }
    let before = answered.load(Ordering::Relaxed);
    for round in 2..12 {
        let new = working(round).await;
        world.apply(&slice("web", &format!("web-{round}"), new.at, "")).await;
        world.shows(&new.at.to_string()).await;
        let old = pods.remove(0);
        world.apply(&slice("web", &format!("web-{}", round - 2), old.at, ENDING)).await;
        world.until(|t| !t.to_string().contains(&old.at.to_string())).await;
        tokio::time::sleep(DRAIN).await;
        old.end().await;
        world.api.delete(&resources::ENDPOINT_SLICES, "shop", &format!("web-{}", round - 2), "").await.unwrap();
        pods.push(new);
    }
    enough.store(true, Ordering::Relaxed);
    clients.stop_all(Duration::from_secs(10)).await;
    assert_eq!(*failures.lock(), [""; 0]);
    assert!(answered.load(Ordering::Relaxed) > before + 100, "the clients were at work");
}

/// The same without warning: pods vanish first and the cluster learns of it later. Requests that may be repeated do
/// not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_vanish_without_warning_fail_no_idempotent_request() {
    let stays = working(0).await;
    let world = Arc::new(World::new(&site("shop.test", "web")).await);
    world.apply(&slice("web", "stays", stays.at, "")).await;
    world.shows(&stays.at.to_string()).await;
    let clients = Crowd::new(&Stop::new(), 100);
    let enough = Arc::new(AtomicBool::new(false));
    let failures = Arc::new(parking_lot::Mutex::new(Vec::new()));
    for _ in 0..4 {
        let (world, enough, failures) = (world.clone(), enough.clone(), failures.clone());
        assert!(clients.try_spawn(|_| async move {
            while !enough.load(Ordering::Relaxed) {
                let (status, text) = world.get("shop.test", "/").await;
                if status != 200 {
                    failures.lock().push(text);
                }
            }
        }));
    }
    for round in 1..6 {
        let pod = working(round).await;
        world.apply(&slice("web", "goes", pod.at, "")).await;
        world.shows(&pod.at.to_string()).await;
        let before = pod.requests();
        while pod.requests() < before + 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        pod.end().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    enough.store(true, Ordering::Relaxed);
    clients.stop_all(Duration::from_secs(10)).await;
    assert_eq!(*failures.lock(), [""; 0]);
}

#[tokio::test]
async fn a_request_on_a_vanished_endpoint_finishes_there() {
    let go = Arc::new(tokio::sync::Notify::new());
    let wait = go.clone();
    let old = Pod::serving(move |_| {
        let wait = wait.clone();
        async move {
            wait.notified().await;
            Response::new(full("old"))
        }
    })
    .await;
    let new = working(1).await;
    let world = World::new(&(site("shop.test", "web") + "---" + &slice("web", "one", old.at, ""))).await;
    world.shows(&old.at.to_string()).await;
    let mut connection = world.connect().await;
    let request = Request::get("/").header("host", "shop.test").body(empty()).unwrap();
    let answer = connection.send_request(request);
    tokio::pin!(answer);
    while old.requests() == 0 {
        assert!(tokio::time::timeout(Duration::from_millis(5), answer.as_mut()).await.is_err());
    }
    world.apply(&slice("web", "one", new.at, "")).await;
    world.until(|t| !t.to_string().contains(&old.at.to_string())).await;
    assert_eq!(world.get("shop.test", "/").await.1, "pod-1");
    go.notify_one();
    assert_eq!(read(answer.await.unwrap()).await.1, "old");
}

#[tokio::test]
async fn load_spreads_evenly() {
    let pods = [working(0).await, working(1).await, working(2).await];
    let slices: String =
        pods.iter().enumerate().map(|(n, p)| "---".to_owned() + &slice("web", &format!("w{n}"), p.at, "")).collect();
    let world = World::new(&(site("shop.test", "web") + &slices)).await;
    world.until(|t| pods.iter().all(|p| t.to_string().contains(&p.at.to_string()))).await;
    for _ in 0..30 {
        assert_eq!(world.get("shop.test", "/").await.0, 200);
    }
    assert_eq!(pods.map(|p| p.requests()), [10, 10, 10]);
}
