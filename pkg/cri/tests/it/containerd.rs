//! Real containerd: pods, images, events, crashes, adoption, removal.

use std::time::Duration;

use knarr_cri::{
    Runtime,
    containerd::{Containerd, State},
    events::{self, Event, Kind},
    v1,
};
use knarr_daemon::{Stop, Tasks};
use knarr_stream::{Options, Outcome, Size, client};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    busybox::{busybox_layer, docker_archive, oci_archive, tar, write},
    node::{Node, until},
};

/// An exec through the runtime's streaming URL: input, output, a terminal's size, the exit code.
async fn speak(node: &Node, container: &str, tty: bool) {
    let script = if tty { "read line; echo got $line; stty size; exit 7" } else { "cat; echo oops >&2; exit 7" };
    let request = v1::ExecRequest {
        container_id: container.to_owned(),
        cmd: ["sh", "-c", script].map(str::to_owned).to_vec(),
        tty,
        stdin: true,
        stdout: true,
        stderr: !tty,
    };
    let url = node.cri().exec(request).await.unwrap();
    let io = tokio::net::TcpStream::connect(client::address(&url).unwrap()).await.unwrap();
    let upgraded = client::upgrade(io, &url, "v4.channel.k8s.io").await.unwrap();
    let (mut session, driver) = client::exec(upgraded, Options { stdin: true, stdout: true, stderr: !tty, tty });
    let work = async {
        session.resize.send(Size { width: 100, height: 30 }).await.unwrap();
        let mut stdin = session.stdin.take().unwrap();
        if tty {
            // The size is set beside the input: give it the time that a person would.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        stdin.write_all(b"hello\n").await.unwrap();
        if !tty {
            drop(stdin);
        }
        let (mut out, mut err) = (String::new(), String::new());
        session.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
        if let Some(mut stderr) = session.stderr.take() {
            stderr.read_to_string(&mut err).await.unwrap();
        }
        (out, err, session.outcome().await)
    };
    let both = async { tokio::join!(work, driver) };
    let ((out, err, outcome), end) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("it ends");
    end.unwrap();
    if tty {
        assert!(out.contains("got hello\r\n30 100\r\n"), "{out:?}");
    } else {
        assert_eq!((out.as_str(), err.as_str()), ("hello\n", "oops\n"));
    }
    assert!(matches!(outcome, Outcome::Exit { code: 7, .. }), "{outcome:?}");
}

async fn next(events: &mut tokio::sync::mpsc::Receiver<Event>) -> Event {
    tokio::time::timeout(Duration::from_secs(30), events.recv()).await.expect("an event comes").expect("events go on")
}

/// The next event of a container; the runtime tells of images in between, several times for each.
async fn next_of_container(events: &mut tokio::sync::mpsc::Receiver<Event>) -> Event {
    loop {
        match next(events).await {
            Event::Images => {}
            other => return other,
        }
    }
}

#[tokio::test]
#[ignore = "needs root and containerd"]
async fn a_pod_runs_logs_executes_and_tells() {
    Node::run("pod", |node| async move {
        let (containerd, tasks) = node.start().await;
        let mut events = events::subscribe(containerd.socket(), &tasks);
        assert_eq!(next(&mut events).await, Event::Resync);
        let importer = node.importer();
        assert_eq!(importer.ensure_pause().await.unwrap(), node.settings.sandbox_image);
        importer.ensure_pause().await.unwrap();
        let images = node.dir.0.join("images");
        std::fs::create_dir(&images).unwrap();
        write(&images.join("busybox.tar"), &docker_archive(&["busybox:test"], &[&busybox_layer()]));
        let done = importer.preload(&images, &node.dir.0.join("record")).await;
        assert_eq!(done.images, ["docker.io/library/busybox:test"], "{:?}", done.failures);
        assert_eq!(next(&mut events).await, Event::Images);

        let cri = node.cri();
        let sandbox = cri.run_pod_sandbox(node.sandbox("app"), "").await.unwrap();
        assert_eq!(next_of_container(&mut events).await, Event::Container { id: sandbox.clone(), kind: Kind::Started });
        let id = node.run_container(&sandbox, "app", "busybox:test", "echo hello; echo oops >&2; sleep 1000").await;
        assert_eq!(next_of_container(&mut events).await, Event::Container { id: id.clone(), kind: Kind::Started });
        let log = node.logs().join("app.log");
        until("the log", || async {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            text.contains("stdout F hello") && text.contains("stderr F oops")
        })
        .await;

        let command = ["sh", "-c", "echo out; echo err >&2; exit 3"].map(str::to_owned).to_vec();
        let output = cri.exec_sync(&id, command, Duration::from_secs(5)).await.unwrap();
        assert_eq!(
            (output.stdout.as_slice(), output.stderr.as_slice(), output.exit_code),
            (&b"out\n"[..], &b"err\n"[..], 3)
        );
        let slow = cri.exec_sync(&id, vec!["sleep".into(), "100".into()], Duration::from_secs(1)).await;
        assert!(slow.is_err_and(|e| e.is_timeout()));
        let stats = cri.container_stats(&id).await.unwrap();
        assert!(stats.memory.is_some_and(|m| m.working_set_bytes.is_some()));
        speak(&node, &id, false).await;
        speak(&node, &id, true).await;

        cri.stop_container(&id, Duration::ZERO).await.unwrap();
        assert_eq!(
            next_of_container(&mut events).await,
            Event::Container { id: id.clone(), kind: Kind::Exited { code: 137 } }
        );
        let status = cri.container_status(&id, false).await.unwrap().status.unwrap();
        assert_eq!((status.state(), status.exit_code), (v1::ContainerState::ContainerExited, 137));
        cri.remove_pod_sandbox(&sandbox).await.unwrap();
        assert!(cri.container_status(&id, false).await.unwrap_err().is_not_found());
        cri.stop_container(&id, Duration::ZERO).await.unwrap();
        tasks.stop_all(Duration::from_secs(5)).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs root and containerd"]
async fn archives_are_imported_once() {
    Node::run("images", |node| async move {
        let (_containerd, tasks) = node.start().await;
        let (images, record) = (node.dir.0.join("images"), node.dir.0.join("record"));
        std::fs::create_dir(&images).unwrap();
        let (below, above) = (busybox_layer(), tar(&[("etc/motd", b"above")]));
        write(&images.join("a.tar"), &docker_archive(&["a:1", "a:2"], &[&below, &above]));
        write(&images.join("b.tar"), &oci_archive("docker.io/library/b:1", &[&below]));
        write(&images.join("c.tar"), b"no archive");
        let preload = || async {
            let done = node.importer().preload(&images, &record).await;
            let failures: Vec<_> = done.failures.iter().map(|f| f.to_string()).collect();
            assert_eq!(failures.len(), 1, "{failures:?}");
            assert_eq!(done.images.len(), 3);
            done.imported.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(preload().await, ["a.tar", "b.tar"]);
        assert!(preload().await.is_empty());
        let spec = |name: &str| v1::ImageSpec { image: name.into(), ..Default::default() };
        let cri = node.cri();
        let a = cri.image_status(spec("a:1")).await.unwrap().expect("a:1 is there");
        assert_eq!(cri.image_status(spec("a:2")).await.unwrap().expect("a:2 is there").id, a.id);
        assert_eq!(cri.image_status(spec(&a.id)).await.unwrap().expect("found by id").id, a.id);
        cri.remove_image(spec("b:1")).await.unwrap();
        assert!(cri.image_status(spec("b:1")).await.unwrap().is_none());
        assert_eq!(preload().await, ["b.tar"]);
        assert!(cri.image_fs_info().await.is_ok());

        // Both layers are unpacked in order, for each name.
        node.importer().ensure_pause().await.unwrap();
        let sandbox = cri.run_pod_sandbox(node.sandbox("app"), "").await.unwrap();
        let id = node.run_container(&sandbox, "app", "a:2", "sleep 1000").await;
        let motd = cri.exec_sync(&id, vec!["cat".into(), "/etc/motd".into()], Duration::from_secs(5)).await.unwrap();
        assert_eq!(motd.stdout, b"above");
        tasks.stop_all(Duration::from_secs(5)).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs root and containerd"]
async fn containers_outlive_crash_restart_and_adoption() {
    Node::run("crash", |node| async move {
        let (containerd, tasks) = node.start().await;
        let mut events = events::subscribe(containerd.socket(), &tasks);
        assert_eq!(next(&mut events).await, Event::Resync);
        let images = node.dir.0.join("images");
        std::fs::create_dir(&images).unwrap();
        write(&images.join("busybox.tar"), &docker_archive(&["busybox:test"], &[&busybox_layer()]));
        node.importer().ensure_pause().await.unwrap();
        node.importer().preload(&images, &node.dir.0.join("record")).await;
        let sandbox = node.cri().run_pod_sandbox(node.sandbox("app"), "").await.unwrap();
        let id = node.run_container(&sandbox, "app", "busybox:test", "sleep 1000").await;
        let process = node.pid_of(&id).await;

        // Killed: started again by its supervisor, the container untouched.
        let mut state = containerd.state();
        let State::Up { pid: first, adopted: false } = *state.borrow_and_update() else {
            panic!("it was just started")
        };
        kill(first);
        let up = |s: &State| matches!(s, State::Up { pid, .. } if *pid != first);
        let State::Up { pid: second, adopted: false } = *state.wait_for(up).await.unwrap() else {
            panic!("started anew")
        };
        until("the container", || async { node.cri().container_status(&id, false).await.is_ok() }).await;
        assert_eq!(node.pid_of(&id).await, process);
        while next(&mut events).await != Event::Resync {}

        // Our own end leaves it alone; the next of us adopts it, and sees it die too.
        tasks.stop_all(Duration::from_secs(5)).await;
        let (adopted, tasks) = node.start().await;
        let mut state = adopted.state();
        assert_eq!(*state.borrow_and_update(), State::Up { pid: second, adopted: true });
        kill(second);
        let up = |s: &State| matches!(s, State::Up { pid, .. } if *pid != second);
        let State::Up { pid: third, adopted: false } = *state.wait_for(up).await.unwrap() else {
            panic!("started anew")
        };
        tasks.stop_all(Duration::from_secs(5)).await;

        // Another configuration: restarted, the container still untouched.
        let mut changed = node.settings.clone();
        changed.registry_config = node.dir.0.join("other.d");
        let tasks = Tasks::new(&Stop::new());
        let restarted = Containerd::start(changed, Vec::new(), &tasks).await.unwrap();
        let State::Up { pid: fourth, adopted: false } = *restarted.state().borrow() else { panic!("started anew") };
        assert_ne!(third, fourth);
        assert_eq!(node.pid_of(&id).await, process);
        let output = node.cri().exec_sync(&id, vec!["true".into()], Duration::from_secs(5)).await.unwrap();
        assert_eq!(output.exit_code, 0);
        tasks.stop_all(Duration::from_secs(5)).await;
        // What Node::run checks next: the shutdown ends it all.
    })
    .await;
}

fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}
