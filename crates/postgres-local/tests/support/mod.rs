//! What the tests of clusters share: folders, SQL through `psql`, and a process that opens a cluster
//! and can be killed, which is the test binary itself.

use std::{
    env, fs,
    io::{BufRead, BufReader, Lines},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, lchown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{self, Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use postgres_local::{Cluster, ClusterSpec, Lifetime};

/// A folder that everybody can enter and that goes with the test.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("postgres-local-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder.canonicalize().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn spec(&self, lifetime: Lifetime) -> ClusterSpec {
        let parent = self.0.join("some where");
        // Whatever the umask is; a parent that does not exist would be made according to it.
        if !parent.exists() {
            fs::create_dir(&parent).unwrap();
            fs::set_permissions(&parent, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let folder = parent.join("post'gres");
        ClusterSpec {
            folder,
            lifetime,
            settings: Vec::new(),
            programs: None,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn set(spec: &mut ClusterSpec, name: &str, value: &str) {
    spec.settings.push((name.into(), value.into()));
}

pub(crate) fn sql(cluster: &Cluster, statement: &str) -> String {
    sql_at(cluster, &cluster.superuser_url("postgres"), statement).unwrap()
}

pub(crate) fn sql_at(cluster: &Cluster, url: &str, statement: &str) -> Result<String, String> {
    // Some packages put the client's programs elsewhere.
    let beside = cluster.programs().path("psql");
    let mut psql = Command::new(if beside.exists() {
        beside
    } else {
        "psql".into()
    });
    let output = psql
        .args(["-XqAt", "-d", url, "-c", statement])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

/// A command that runs as the owner of these data.
pub(crate) fn as_owner_of(data: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        let meta = fs::metadata(data).unwrap();
        command.uid(meta.uid()).gid(meta.gid());
    }
    command.current_dir("/");
    command
}

pub(crate) fn write_as_owner_of(data: &Path, name: &str, text: &str) {
    let (path, meta) = (data.join(name), fs::metadata(data).unwrap());
    fs::write(&path, text).unwrap();
    lchown(&path, Some(meta.uid()), Some(meta.gid())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// One column of `ps` for a process; empty when it is gone, or dead and only not yet reaped.
pub(crate) fn ps(pid: u32, column: &str) -> String {
    let field = format!("stat=,{column}=");
    let output = Command::new("ps")
        .args(["-o", &field, "-p", &pid.to_string()])
        .output()
        .unwrap();
    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match line.split_once(char::is_whitespace) {
        Some((state, rest)) if !state.starts_with('Z') => rest.trim().to_owned(),
        _ => String::new(),
    }
}

pub(crate) fn is_alive(pid: u32) -> bool {
    !ps(pid, "pid").is_empty()
}

/// The processes whose parent this is.
pub(crate) fn children_of(pid: u32) -> Vec<u32> {
    let output = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid="])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pairs = text.lines().filter_map(|line| {
        let mut ids = line
            .split_whitespace()
            .filter_map(|id| id.parse::<u32>().ok());
        Some((ids.next()?, ids.next()?))
    });
    pairs
        .filter(|&(_, parent)| parent == pid)
        .map(|(child, _)| child)
        .collect()
}

pub(crate) fn signal(name: &str, target: &str) {
    let status = Command::new("/bin/kill")
        .args(["-s", name, "--", target])
        .status()
        .unwrap();
    assert!(status.success(), "kill -s {name} {target}");
}

pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(
            begun.elapsed() < Duration::from_secs(15),
            "not so after 15 seconds: {what}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// Another process, leader of its own group, that opens a cluster and holds it.
#[derive(Debug)]
pub(crate) struct Holder {
    child: Child,
    pub(crate) said: Lines<BufReader<ChildStdout>>,
    pub(crate) postmaster: u32,
}

/// The name of the test that is the other process, when the test binary is started by these.
const HOLDER: &str = "holder_for_other_tests";

impl Holder {
    /// Starts it and waits until its cluster is open.
    pub(crate) fn new(spec: &ClusterSpec) -> Self {
        let mut holder = Self::starting(spec, &env::current_exe().unwrap(), None);
        let mut ready = None;
        for line in holder.said.by_ref() {
            let line = line.unwrap();
            assert!(!line.contains("panicked"), "{line}");
            ready = line.strip_prefix("ready ").and_then(|pid| pid.parse().ok());
            if ready.is_some() {
                break;
            }
        }
        holder.postmaster = ready.unwrap();
        holder
    }

    /// Only starts it, from this binary, as this user.
    pub(crate) fn starting(spec: &ClusterSpec, binary: &Path, user: Option<(u32, u32)>) -> Self {
        let mut command = Command::new(binary);
        command.args(["--exact", HOLDER, "--ignored", "--nocapture"]);
        command.env("HELD_FOLDER", &spec.folder);
        command.env(
            "HELD_KEPT",
            if spec.lifetime == Lifetime::Kept {
                "yes"
            } else {
                "no"
            },
        );
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid).current_dir("/");
        }
        command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            said,
            postmaster: 0,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as nothing can be prepared for.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Interrupts it as Ctrl-C at a terminal does: the whole group gets the signal.
    pub(crate) fn interrupt(&mut self) {
        signal("INT", &format!("-{}", self.child.id()));
        self.child.wait().unwrap();
    }

    /// Lets it end as it likes, and gives all it has said since.
    pub(crate) fn finish(mut self) -> (bool, String) {
        drop(self.child.stdin.take());
        let said: Vec<String> = self.said.by_ref().map(Result::unwrap).collect();
        (self.child.wait().unwrap().success(), said.join("\n"))
    }
}

/// The other process's part: opens what its environment says, and waits for the end of its input.
pub(crate) fn hold() {
    let Some(folder) = env::var_os("HELD_FOLDER").map(PathBuf::from) else {
        return;
    };
    let kept = env::var("HELD_KEPT").is_ok_and(|kept| kept == "yes");
    let lifetime = if kept {
        Lifetime::Kept
    } else {
        Lifetime::Scratch
    };
    let spec = ClusterSpec {
        folder,
        lifetime,
        settings: Vec::new(),
        programs: None,
    };
    let cluster = Cluster::open(&spec).unwrap();
    sql(&cluster, "select 1");
    println!("\nready {}", cluster.postmaster().unwrap().unwrap());
    let _ = std::io::stdin().read_line(&mut String::new());
}
