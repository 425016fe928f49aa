//! Pods as nobody would write them, the same ones for the same seed.

use knarr_fuzz::Random;
use serde_json::{Value, json};

/// Numbers that look random: the same sequence on every machine.
pub struct Dice(Random);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0.number() % n.max(1)
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        &from[at]
    }
}

const IMAGE: &str = "knarr.local/busybox:1";

/// What a container may do with its life.
const LIVES: &[&str] = &[
    "exec sleep 100000",
    "exec sleep 100000",
    "exec sleep 100000",
    "exit 0",
    "exit 3",
    "sleep 1; exit 1",
    "trap '' TERM; while true; do sleep 0.2; done",
    "trap 'sleep 1; exit 0' TERM; while true; do sleep 0.2; done",
    // Children that outlive their parent, or ignore what it is told.
    "sleep 100000 & sleep 100000 & wait",
    "(trap '' TERM; sleep 100000) & exit 0",
    "setsid sleep 100000 & exit 1",
    "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; sleep 100000",
    "echo last words > /dev/termination-log; exit 1",
    "exec dd if=/dev/zero of=/dev/null bs=64M",
    "kill -9 $$",
    "kill -SEGV $$",
];

/// Volumes by name: source and where it is mounted. The host's directory is put in later.
fn volumes(host: &str) -> Vec<(&'static str, Value, Value)> {
    vec![
        ("empty", json!({"emptyDir": {}}), json!({"mountPath": "/empty"})),
        ("memory", json!({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}), json!({"mountPath": "/memory"})),
        ("parts", json!({"emptyDir": {}}), json!({"mountPath": "/parts", "subPath": "a/b"})),
        ("host", json!({"hostPath": {"path": host, "type": "Directory"}}), json!({"mountPath": "/host"})),
        ("hostless", json!({"hostPath": {"path": "/no/such/dir", "type": "Directory"}}), json!({"mountPath": "/none"})),
        ("config", json!({"configMap": {"name": "there"}}), json!({"mountPath": "/config"})),
        ("single", json!({"configMap": {"name": "there"}}), json!({"mountPath": "/single", "subPath": "a"})),
        ("absent", json!({"configMap": {"name": "absent"}}), json!({"mountPath": "/absent"})),
        ("maybe", json!({"secret": {"secretName": "absent", "optional": true}}), json!({"mountPath": "/maybe"})),
        ("secret", json!({"secret": {"secretName": "there"}}), json!({"mountPath": "/secret", "readOnly": true})),
        (
            "down",
            json!({"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}),
            json!({"mountPath": "/down"}),
        ),
        (
            "all",
            json!({"projected": {"sources": [
                {"configMap": {"name": "there"}},
                {"secret": {"name": "there"}},
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}},
            ]}}),
            json!({"mountPath": "/all"}),
        ),
    ]
}

fn probe(dice: &mut Dice) -> Value {
    let actions = [
        json!({"exec": {"command": ["true"]}}),
        json!({"exec": {"command": ["false"]}}),
        json!({"exec": {"command": ["sleep", "5"]}}),
        json!({"exec": {"command": ["/no/such/program"]}}),
        json!({"tcpSocket": {"port": 81}}),
        json!({"httpGet": {"port": 81, "path": "/x"}}),
    ];
    let mut probe = dice.pick(&actions).clone();
    probe["periodSeconds"] = json!(1);
    probe["failureThreshold"] = json!(1 + dice.below(3));
    probe
}

fn hook(dice: &mut Dice) -> Value {
    dice.pick(&[
        json!({"exec": {"command": ["true"]}}),
        json!({"exec": {"command": ["false"]}}),
        json!({"exec": {"command": ["sleep", "2"]}}),
        json!({"exec": {"command": ["sh", "-c", "sleep 100000 & true"]}}),
        json!({"sleep": {"seconds": 1}}),
        json!({"httpGet": {"port": 81, "path": "/x"}}),
    ])
    .clone()
}

fn resources(dice: &mut Dice) -> Value {
    dice.pick(&[
        json!({}),
        json!({}),
        json!({"limits": {"memory": "16Mi", "cpu": "100m"}}),
        json!({"requests": {"memory": "8Mi", "cpu": "10m"}, "limits": {"memory": "32Mi"}}),
        // Less than a process needs to begin.
        json!({"limits": {"memory": "64Ki"}}),
        json!({"limits": {"cpu": "1m"}}),
    ])
    .clone()
}

/// One container; `mounts` are those of the pod's volumes.
fn container(dice: &mut Dice, name: &str, mounts: &[Value]) -> Value {
    let mut out = json!({
        "name": name,
        "image": IMAGE,
        "command": ["sh", "-c", dice.pick(LIVES)],
        "volumeMounts": mounts,
        "resources": resources(dice),
    });
    match dice.below(20) {
        0 => out["command"] = json!(["/no/such/program"]),
        1 => out["workingDir"] = json!("/made/on/the/way"),
        2 => out["workingDir"] = json!("/proc/version"),
        3 => out["image"] = json!("127.0.0.1:1/nothing:1"),
        4 => {
            out["image"] = json!("knarr.local/nothing:1");
            out["imagePullPolicy"] = json!("Never");
        }
        5 => out["env"] = json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "absent", "key": "a"}}}]),
        6 => out["env"] = json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "there", "key": "key"}}}]),
        7 => out["securityContext"] = json!({"runAsNonRoot": true}),
        8 => out["securityContext"] = json!({"runAsUser": 1000, "readOnlyRootFilesystem": true}),
        9 => out["securityContext"] = json!({"privileged": true}),
        10 => out["securityContext"] = json!({"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": false}),
        11 => out["terminationMessagePolicy"] = json!("FallbackToLogsOnError"),
        12 => out["terminationMessagePath"] = json!("/tmp/words"),
        13 => {
            out["stdin"] = json!(true);
            out["tty"] = json!(true);
        }
        _ => {}
    }
    out
}

/// A container of the application: probes and hooks beside the rest.
fn app(dice: &mut Dice, name: &str, mounts: &[Value]) -> Value {
    let mut out = container(dice, name, mounts);
    for kind in ["startupProbe", "livenessProbe", "readinessProbe"] {
        if dice.percent(15) {
            out[kind] = probe(dice);
            if kind != "readinessProbe" {
                out[kind]["successThreshold"] = json!(1);
            }
        }
    }
    for kind in ["postStart", "preStop"] {
        if dice.percent(15) {
            out["lifecycle"][kind] = hook(dice);
        }
    }
    out
}

/// The pod number `n` of this throw of dice. `host` is a directory that pods may mount.
pub fn pod(dice: &mut Dice, n: usize, host: &str) -> Value {
    let mut chosen: Vec<(&str, Value, Value)> = Vec::new();
    let all = volumes(host);
    for _ in 0..dice.below(5) {
        let one = dice.pick(&all);
        // What cannot be mounted keeps a whole pod from starting: not too many of those.
        let broken = ["hostless", "absent"].contains(&one.0);
        if chosen.iter().all(|(name, ..)| *name != one.0) && (!broken || dice.percent(20)) {
            chosen.push(one.clone());
        }
    }
    let named = |name: &str, value: &Value| {
        let mut out = value.clone();
        out["name"] = json!(name);
        out
    };
    let mounts: Vec<Value> = chosen.iter().map(|(name, _, mount)| named(name, mount)).collect();
    let mut spec = json!({
        "volumes": chosen.iter().map(|(name, source, _)| named(name, source)).collect::<Vec<_>>(),
        "terminationGracePeriodSeconds": 2 + dice.below(3),
        "restartPolicy": dice.pick(&["Always", "Always", "OnFailure", "Never"]),
    });
    let containers: Vec<Value> = (0..1 + dice.below(3)).map(|c| app(dice, &format!("app{c}"), &mounts)).collect();
    spec["containers"] = json!(containers);
    let mut init = Vec::new();
    for c in 0..dice.below(3) {
        let mut one = container(dice, &format!("init{c}"), &mounts);
        match dice.below(4) {
            0 => one["restartPolicy"] = json!("Always"),
            1 => {}
            _ => one["command"] = json!(["sh", "-c", "exit 0"]),
        }
        init.push(one);
    }
    spec["initContainers"] = json!(init);
    let port = 20_000 + dice.below(20);
    match dice.below(16) {
        0 => spec["hostNetwork"] = json!(true),
        1 => spec["hostPID"] = json!(true),
        2 => spec["hostIPC"] = json!(true),
        3 => spec["shareProcessNamespace"] = json!(true),
        4 => spec["activeDeadlineSeconds"] = json!(1 + dice.below(3)),
        5 => spec["securityContext"] = json!({"runAsUser": 1000, "fsGroup": 2000}),
        6 => {
            spec["securityContext"] =
                json!({"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "1"}]})
        }
        7 => spec["containers"][0]["ports"] = json!([{"containerPort": 81, "hostPort": port}]),
        8 => spec["dnsPolicy"] = json!("Default"),
        9 => {
            spec["hostname"] = json!("known");
            spec["subdomain"] = json!("sub");
        }
        10 => spec["automountServiceAccountToken"] = json!(false),
        // Never scheduled.
        11 => spec["nodeSelector"] = json!({"no": "such"}),
        _ => {}
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": format!("random-{n}"), "labels": {"app": "random"}},
        "spec": spec,
    })
}
