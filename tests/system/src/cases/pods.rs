//! What a pod gets: volumes, environment, resources, order of containers, endings.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::{await_phase, await_pod, pod};
use crate::{
    kubectl::Kubectl,
    poll::{secs, until},
    suite::{Case, Cx, Place::Shared, case},
    text::{at, equals, has, is, text_at},
};

pub const CASES: &[Case] = &[
    case("pods/volumes", Shared(volumes)),
    case("pods/live update of volumes", Shared(live_update)),
    case("pods/service account volume", Shared(token)),
    case("pods/environment", Shared(environment)),
    case("pods/limits are the kernel's", Shared(limits)),
    case("pods/init containers", Shared(init)),
    case("pods/restart policies", Shared(restart_policies)),
    case("pods/graceful end", Shared(graceful)),
    case("pods/lifecycle hooks", Shared(hooks)),
    case("pods/users and security", Shared(security)),
    case("pods/files that containers see", Shared(files)),
];

fn sh(k: &Kubectl, pod: &str, script: &str) -> Result<String> {
    k.ok(&format!("exec {pod} -c main -- sh -c '{script}'"))
}

/// Adds lines to the one container of a pod's manifest.
fn container(manifest: &str, lines: &str) -> String {
    let lines: String = lines.trim().lines().map(|line| format!("    {line}\n")).collect();
    format!("{manifest}{lines}")
}

fn volumes(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap c --from-literal=a=alpha --from-literal=b=beta")?;
    k.ok("create secret generic s --from-literal=key=hidden")?;
    let host = cx.env.work.join("host");
    fs::create_dir_all(&host)?;
    fs::write(host.join("file"), "from the host")?;
    let volumes = format!(
        "volumes:
- {{name: config, configMap: {{name: c}}}}
- {{name: one, configMap: {{name: c, items: [{{key: a, path: deep/er}}], defaultMode: 0400}}}}
- {{name: secret, secret: {{secretName: s}}}}
- {{name: scratch, emptyDir: {{}}}}
- {{name: memory, emptyDir: {{medium: Memory, sizeLimit: 8Mi}}}}
- {{name: host, hostPath: {{path: {}, type: Directory}}}}
- {{name: maybe, configMap: {{name: none, optional: true}}}}
- name: all
  projected:
    sources:
    - configMap: {{name: c}}
    - secret: {{name: s, items: [{{key: key, path: s/key}}]}}
    - downwardAPI: {{items: [{{path: name, fieldRef: {{fieldPath: metadata.name}}}}, {{path: labels, fieldRef: {{fieldPath: metadata.labels}}}}]}}",
        host.display()
    );
    let mounts = "volumeMounts:
- {name: config, mountPath: /config}
- {name: one, mountPath: /one, readOnly: true}
- {name: secret, mountPath: /secret}
- {name: scratch, mountPath: /scratch}
- {name: scratch, mountPath: /sub, subPath: below}
- {name: memory, mountPath: /memory}
- {name: host, mountPath: /host}
- {name: maybe, mountPath: /maybe}
- {name: all, mountPath: /all}
- {name: config, mountPath: /single, subPath: b}";
    k.apply(&container(&pod("web", "sleep 1000", &volumes), mounts))?;
    await_pod(k, "web")?;
    is(
        &sh(k, "web", "cat /config/a /config/b /one/deep/er /secret/key /host/file /single")?,
        "alphabetaalphahiddenfrom the hostbeta",
    )?;
    is(
        &sh(k, "web", "cat /all/a /all/s/key /all/name; echo; cat /all/labels; ls /maybe")?,
        "alphahiddenweb\napp=\"web\"",
    )?;
    is(&sh(k, "web", "stat -L -c %a /one/deep/er /config/a")?, "400\n644")?;
    has(&sh(k, "web", "mount | grep -E \"/memory|/secret\"")?, &["tmpfs on /memory", "tmpfs on /secret"])?;
    is(&sh(k, "web", "echo x > /scratch/below/file && cat /sub/file; echo y > /host/back")?, "x")?;
    is(&fs::read_to_string(host.join("back"))?, "y")?;
    for dir in ["one", "config", "secret", "all", "maybe"] {
        let written = k.run(&format!("exec web -- sh -c 'echo x > /{dir}/y'"), None, secs(20))?;
        has(&written.err, &["Read-only file system"])?;
    }
    k.ok("delete pod web")?;
    is(&fs::read_to_string(host.join("file"))?, "from the host")
}

fn live_update(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap c --from-literal=a=one")?;
    k.ok("create secret generic s --from-literal=key=one")?;
    let volumes = "volumes: [{name: c, configMap: {name: c}}, {name: s, secret: {secretName: s}}, {name: d, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}]";
    let mounts = "volumeMounts: [{name: c, mountPath: /c}, {name: s, mountPath: /s}, {name: d, mountPath: /d}]";
    k.apply(&container(&pod("web", "sleep 1000", volumes), mounts))?;
    let before = await_pod(k, "web")?;
    k.ok("patch configmap c -p '{\"data\":{\"a\":\"two\",\"b\":\"new\"}}'")?;
    k.ok("patch secret s -p '{\"stringData\":{\"key\":\"two\"}}'")?;
    k.ok("label pod web more=yes")?;
    until(secs(90), "the new contents", || {
        is(&sh(k, "web", "cat /c/a /c/b /s/key")?, "twonewtwo")?;
        has(&sh(k, "web", "cat /d/labels")?, &["more=\"yes\""])
    })?;
    k.ok("patch configmap c --type json -p '[{\"op\":\"remove\",\"path\":\"/data/b\"}]'")?;
    until(secs(90), "the file to go", || is(&sh(k, "web", "ls /c")?, "a"))?;
    let after = k.json("get pod web")?;
    ensure!(container_id(&before)? == container_id(&after)?, "the container was restarted");
    Ok(())
}

fn container_id(pod: &serde_json::Value) -> Result<&str> {
    text_at(pod, "/status/containerStatuses/0/containerID")
}

fn token(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&pod("web", "sleep 1000", ""))?;
    await_pod(k, "web")?;
    let dir = "/var/run/secrets/kubernetes.io/serviceaccount";
    is(&sh(k, "web", &format!("ls {dir}; cat {dir}/namespace"))?, &format!("ca.crt\nnamespace\ntoken\n{}", cx.ns))?;
    is(&sh(k, "web", &format!("cat {dir}/ca.crt"))?, &cx.node.ca()?)?;
    let token = sh(k, "web", &format!("cat {dir}/token"))?;
    let claims = token.split('.').nth(1).context("a token's claims")?;
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims)?;
    let claims: serde_json::Value = serde_json::from_slice(&claims)?;
    equals(&claims, "/sub", format!("system:serviceaccount:{}:default", cx.ns))?;
    let bound = at(&claims, "/kubernetes.io")?;
    equals(bound, "/pod/name", "web")?;
    equals(bound, "/serviceaccount/name", "default")?;
    equals(bound, "/node/name", cx.node.name.as_str())?;
    k.apply(&pod("bare", "sleep 1000", "automountServiceAccountToken: false"))?;
    await_pod(k, "bare")?;
    has(&k.refused(&format!("exec bare -- ls {dir}"), None)?, &["No such file"])
}

fn environment(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap c --from-literal=A=1 --from-literal=B=2")?;
    k.ok("create secret generic s --from-literal=S=hidden")?;
    k.ok("create service clusterip early-bird --tcp=80:8080")?;
    let env = "env:
- {name: PLAIN, value: plain}
- {name: COMPOSED, value: 'x-$(PLAIN)-$$(PLAIN)-$(NONE)'}
- {name: FROM_CONFIG, valueFrom: {configMapKeyRef: {name: c, key: A}}}
- {name: FROM_SECRET, valueFrom: {secretKeyRef: {name: s, key: S}}}
- {name: OPTIONAL, valueFrom: {secretKeyRef: {name: none, key: S, optional: true}}}
- {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
- {name: LABEL, valueFrom: {fieldRef: {fieldPath: 'metadata.labels[''app'']'}}}
- {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
envFrom: [{configMapRef: {name: c}, prefix: P_}, {secretRef: {name: s}}]
resources: {limits: {memory: 16Mi}}";
    // The service's variables are there for pods that start after the node has seen it.
    k.apply(&container(&pod("web", "sleep 1000", ""), env))?;
    let object = await_pod(k, "web")?;
    let seen = sh(k, "web", "env")?;
    for line in [
        "PLAIN=plain",
        "COMPOSED=x-plain-$(PLAIN)-$(NONE)",
        "FROM_CONFIG=1",
        "FROM_SECRET=hidden",
        "POD=web",
        &format!("IP={}", text_at(&object, "/status/podIP")?),
        &format!("NODE={}", cx.node.name),
        "LABEL=web",
        "MEMORY=16",
        "P_A=1",
        "P_B=2",
        "S=hidden",
        "HOSTNAME=web",
        "KUBERNETES_SERVICE_HOST=10.43.0.1",
        "KUBERNETES_SERVICE_PORT=443",
        "EARLY_BIRD_SERVICE_PORT=80",
    ] {
        ensure!(seen.lines().any(|l| l == line), "{line} is not in\n{seen}");
    }
    ensure!(!seen.contains("OPTIONAL"), "{seen}");
    Ok(())
}

/// A pod's limit as the kernel keeps it, in either version of cgroups.
fn limits(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let resources = "resources: {requests: {cpu: 100m, memory: 16Mi}, limits: {cpu: 500m, memory: 32Mi}}";
    k.apply(&container(&pod("web", "sleep 1000", ""), resources))?;
    let object = await_pod(k, "web")?;
    equals(&object, "/status/qosClass", "Burstable")?;
    let id = container_id(&object)?.rsplit('/').next().context("an id")?.to_owned();
    let uid = text_at(&object, "/metadata/uid")?;
    let v2 = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let rows: &[(&str, &str, &str)] = if v2 {
        &[("", "memory.max", "33554432"), ("", "cpu.max", "50000 100000"), ("", "cpu.weight", "4")]
    } else {
        &[
            ("memory", "memory.limit_in_bytes", "33554432"),
            ("cpu", "cpu.cfs_quota_us", "50000"),
            ("cpu", "cpu.shares", "102"),
        ]
    };
    let pod = format!("kubepods/burstable/pod{uid}");
    for (controller, file, value) in rows {
        let base = std::path::Path::new("/sys/fs/cgroup").join(controller).join(&cx.node.name).join(&pod);
        let read = |path: std::path::PathBuf| fs::read_to_string(&path).with_context(|| path.display().to_string());
        is(&read(base.join(&id).join(file))?, value)?;
        is(&read(base.join(file))?, value).context("of the pod")?;
    }
    k.apply(&container(&pod_guaranteed("sure"), "resources: {limits: {cpu: 100m, memory: 16Mi}}"))?;
    equals(&await_pod(k, "sure")?, "/status/qosClass", "Guaranteed")?;
    k.apply(&super::pod("poor", "sleep 1000", ""))?;
    equals(&await_pod(k, "poor")?, "/status/qosClass", "BestEffort")
}

fn pod_guaranteed(name: &str) -> String {
    pod(name, "sleep 1000", "")
}

fn init(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let init = "volumes: [{name: v, emptyDir: {}}]
initContainers:
- {name: first, image: 'knarr.local/busybox:1', command: [sh, -c, 'echo first >> /v/log'], volumeMounts: [{name: v, mountPath: /v}]}
- {name: second, image: 'knarr.local/busybox:1', command: [sh, -c, 'echo second >> /v/log'], volumeMounts: [{name: v, mountPath: /v}]}
- {name: beside, restartPolicy: Always, image: 'knarr.local/busybox:1', command: [sh, -c, 'echo beside >> /v/log; sleep 1000'], volumeMounts: [{name: v, mountPath: /v}]}";
    let main =
        container(&pod("web", "echo main >> /v/log; sleep 1000", init), "volumeMounts: [{name: v, mountPath: /v}]");
    k.apply(&main)?;
    let object = await_pod(k, "web")?;
    until(secs(10), "all to have written", || {
        is(&sh(k, "web", "cat /v/log")?, "first\nsecond\nbeside\nmain")
            .or_else(|_| is(&sh(k, "web", "cat /v/log")?, "first\nsecond\nmain\nbeside"))
    })?;
    equals(&object, "/status/initContainerStatuses/0/state/terminated/reason", "Completed")?;
    equals(&object, "/status/initContainerStatuses/2/ready", true)?;
    let failing = "restartPolicy: Never\ninitContainers: [{name: first, image: 'knarr.local/busybox:1', command: [sh, -c, 'exit 4']}]";
    k.apply(&pod("never", "true", failing))?;
    let failed = await_phase(k, "never", "Failed")?;
    equals(&failed, "/status/initContainerStatuses/0/state/terminated/exitCode", 4)?;
    has(&k.ok("get pod never")?, &["Init:Error"])?;
    has(&failed["status"]["conditions"].to_string(), &["ContainersNotInitialized"])
}

fn restart_policies(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&pod("good", "exit 0", "restartPolicy: Never"))?;
    k.apply(&pod("bad", "exit 5", "restartPolicy: Never"))?;
    k.apply(&container(
        &pod(
            "third",
            "echo x >> /v/n; [ $(wc -l < /v/n) -ge 2 ]",
            "restartPolicy: OnFailure\nvolumes: [{name: v, emptyDir: {}}]",
        ),
        "volumeMounts: [{name: v, mountPath: /v}]",
    ))?;
    k.apply(&pod("forever", "sleep 1", ""))?;
    let good = await_phase(k, "good", "Succeeded")?;
    equals(&good, "/status/containerStatuses/0/state/terminated/reason", "Completed")?;
    equals(&good, "/status/containerStatuses/0/restartCount", 0)?;
    let bad = await_phase(k, "bad", "Failed")?;
    equals(&bad, "/status/containerStatuses/0/state/terminated/reason", "Error")?;
    equals(&bad, "/status/containerStatuses/0/state/terminated/exitCode", 5)?;
    let third = await_phase(k, "third", "Succeeded")?;
    equals(&third, "/status/containerStatuses/0/restartCount", 1)?;
    until(secs(30), "the restart of what ends well", || {
        let pod = k.json("get pod forever")?;
        ensure!(pod["status"]["containerStatuses"][0]["restartCount"].as_u64() >= Some(1), "{:#}", pod["status"]);
        equals(&pod, "/status/containerStatuses/0/lastState/terminated/exitCode", 0)
    })?;
    let table = k.ok("get pods good bad third")?;
    has(&table, &["Completed", "Error"])
}

/// preStop first, then SIGTERM, then the end; the log of it is on the host.
fn graceful(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let host = cx.env.work.join("graceful");
    fs::create_dir_all(&host)?;
    let volume = format!("volumes: [{{name: v, hostPath: {{path: {}}}}}]", host.display());
    let script = "trap 'echo term >> /v/$HOSTNAME; sleep 1; echo bye >> /v/$HOSTNAME; exit 0' TERM\necho up >> /v/$HOSTNAME\nwhile true; do sleep 0.1; done";
    let lines = "volumeMounts: [{name: v, mountPath: /v}]\nlifecycle: {preStop: {exec: {command: [sh, -c, 'echo stop >> /v/$HOSTNAME; sleep 1']}}}";
    let patient = |name: &str| {
        container(&pod(name, script, &volume), lines)
            .replace("terminationGracePeriodSeconds: 1", "terminationGracePeriodSeconds: 20")
    };
    let wrote = |name: &str| fs::read_to_string(host.join(name)).unwrap_or_default();
    k.apply(&patient("kind"))?;
    await_pod(k, "kind")?;
    until(secs(10), "it to be up", || is(&wrote("kind"), "up"))?;
    k.within(secs(15), "delete pod kind")?;
    is(&wrote("kind"), "up\nstop\nterm\nbye")?;
    // While it ends, it is Terminating and not ready.
    k.apply(&patient("shown"))?;
    await_pod(k, "shown")?;
    k.ok("delete pod shown --wait=false")?;
    has(&k.ok("get pod shown")?, &["Terminating"])?;
    k.within(secs(15), "wait pod/shown --for=delete --timeout=14s")?;
    // Who does not heed SIGTERM is killed after the grace period, not before.
    k.apply(&pod("deaf", "trap '' TERM\nwhile true; do sleep 0.1; done", "").replace("Seconds: 1", "Seconds: 3"))?;
    await_pod(k, "deaf")?;
    let begun = std::time::Instant::now();
    k.within(secs(15), "delete pod deaf")?;
    ensure!(begun.elapsed() >= secs(3), "killed after {:?}", begun.elapsed());
    k.apply(&patient("forced"))?;
    await_pod(k, "forced")?;
    let forced = k.run("delete pod forced --grace-period=0 --force", None, secs(5))?;
    ensure!(forced.code == 0, "{forced:?}");
    has(&forced.err, &["Immediate deletion does not wait"])
}

fn hooks(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let lines = "lifecycle: {postStart: {exec: {command: [sh, -c, 'echo started > /tmp/hook']}}}";
    k.apply(&container(&pod("good", "sleep 1000", ""), lines))?;
    await_pod(k, "good")?;
    is(&sh(k, "good", "cat /tmp/hook")?, "started")?;
    k.apply(&container(&pod("bad", "sleep 1000", ""), "lifecycle: {postStart: {exec: {command: ['false']}}}"))?;
    until(secs(20), "the failed hook", || has(&k.ok("describe pod bad")?, &["FailedPostStartHook"]))
}

fn security(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let of_pod = "securityContext: {runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000, supplementalGroups: [4000]}\nvolumes: [{name: v, emptyDir: {}}]";
    let of_container = "volumeMounts: [{name: v, mountPath: /v}]
securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}";
    k.apply(&container(&pod("web", "sleep 1000", of_pod), of_container))?;
    await_pod(k, "web")?;
    is(&sh(k, "web", "id -u; id -g; id -G")?, "1000\n2000\n2000 3000 4000")?;
    is(&sh(k, "web", "stat -c %g /v; touch /v/x && stat -c %g /v/x")?, "3000\n3000")?;
    is(
        &sh(k, "web", "grep -E \"CapEff|NoNewPrivs\" /proc/self/status | tr -d \" \\t\"")?,
        "CapEff:0000000000000000\nNoNewPrivs:1",
    )?;
    has(&k.refused("exec web -- touch /x", None)?, &["Read-only file system"])?;
    // Pause, which other containers may see, is confined whatever the pod asks for; the containers are as they ask.
    k.apply(&container(
        &pod("shared", "sleep 1000", "shareProcessNamespace: true"),
        "securityContext: {seccompProfile: {type: Unconfined}}",
    ))?;
    await_pod(k, "shared")?;
    is(
        &sh(k, "shared", "grep -h -E \"^(Name|Seccomp):\" /proc/1/status /proc/self/status | tr -d \"\\t\"")?,
        "Name:pause\nSeccomp:2\nName:grep\nSeccomp:0",
    )?;
    k.apply(&container(&pod("root", "sleep 1000", ""), "securityContext: {runAsNonRoot: true}"))?;
    until(secs(20), "the refusal", || {
        has(
            &k.ok("describe pod root")?,
            &["CreateContainerConfigError", "container has runAsNonRoot and image will run as root"],
        )
    })
}

fn files(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let extra = "hostname: known\nsubdomain: sub\nhostAliases: [{ip: 192.0.2.9, hostnames: [alias.test]}]\ndnsConfig: {options: [{name: ndots, value: '3'}]}";
    k.apply(&container(&pod("web", "echo dying > /dev/termination-log; sleep 1", extra), "stdin: false"))?;
    k.apply(&pod("other", "sleep 1000", extra))?;
    await_pod(k, "other")?;
    is(&sh(k, "other", "hostname; hostname -f")?, &format!("known\nknown.sub.{}.svc.cluster.local", cx.ns))?;
    has(
        &sh(k, "other", "cat /etc/hosts")?,
        &["127.0.0.1\tlocalhost", "192.0.2.9\talias.test", &format!("known.sub.{}.svc.cluster.local\tknown", cx.ns)],
    )?;
    has(
        &sh(k, "other", "cat /etc/resolv.conf")?,
        &[
            "nameserver 10.43.0.10",
            &format!("search {}.svc.cluster.local svc.cluster.local cluster.local", cx.ns),
            "ndots:3",
        ],
    )?;
    until(secs(20), "the termination message", || {
        let pod = k.json("get pod web")?;
        let message = pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["message"].clone();
        ensure!(message == "dying\n", "{message} in {:#}", pod["status"]);
        Ok(())
    })?;
    k.apply(&pod("host", "sleep 1000", "hostNetwork: true"))?;
    let object = await_pod(k, "host")?;
    equals(&object, "/status/podIP", cx.node.ip.to_string())
}
