//! A session in the host's process gives back all it took, whatever holds whatever.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicIsize, Ordering};

use dana_lang::{Closed, Outbox, Server};
use dana_wire::{Outcome, SessionLimits, Start, ToHost, ToWorker};

/// Counts what the whole process holds.
struct Live;

static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every request goes to the system's allocator unchanged, and its answer comes back unchanged.
unsafe impl GlobalAlloc for Live {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise is the one the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as in `alloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static HEAP: dana_meter::Counting<Live> = dana_meter::Counting::new(Live);

#[derive(Default)]
struct Host {
    asks: Vec<u32>,
}

impl Outbox for Host {
    fn send(&mut self, header: &ToHost, _payload: &[u8]) -> Result<(), Closed> {
        if let ToHost::Ask { ask, .. } = header {
            self.asks.push(*ask);
        }
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

/// Runs the source twice in one session; its asks fail.
fn live(source: &str) {
    let limits =
        SessionLimits { steps: Some(1 << 20), memory: Some(32 << 20), depth: 100, output: Some(1 << 20) };
    let start = Start { limits, seed: [1, 2], functions: vec!["host".into()] };
    let mut server = Server::new(start);
    for turn in 1..=2 {
        let mut host = Host::default();
        let run = ToWorker::Run { turn, filename: None, source: source.to_owned() };
        server.handle(run, &[], &mut host).expect("a turn");
        while let Some(ask) = host.asks.pop() {
            let outcome = Outcome::Failed { kind: "ResourceError".to_owned(), message: "none".to_owned() };
            server.handle(ToWorker::Answer { ask, outcome }, &[], &mut host).expect("an answer in its turn");
        }
    }
}

#[test]
fn nothing_is_left_when_a_session_ends() {
    let sources = [
        "x = 1",
        "a = []\na.append(a)\na = none",
        "for i in range(300):\n    a = [0] * 100\n    a.append(a)\nx = [a]",
        "def f(n):\n    return 1 if n == 0 else f(n - 1)\nf(3)",
        "struct T:\n    n: any\ndef (t: T) walk(d):\n    if d > 0:\n        return t.walk(d - 1)\n    return d\nT(n=1).walk(3)",
        "struct T:\n    n: any\nt = T(n=none)\nt.n = t",
        "def mk():\n    def g(n):\n        return g\n    return g\nmk()\nx = mk()",
        "agent A:\n    n: int = 1\na = A()\na.remember('me', a)",
        "x = ValueError('a')\ntry:\n    raise x\nexcept ValueError as e:\n    y = [e]",
        "import nothing",
        "x = host(1)\ny = [x]\ny.append(y)",
        "x = reason('what')",
        "def deco(f):\n    def w(x):\n        return f(x)\n    return w\n@deco\ndef h(x):\n    return x\nh(1)",
        "def (x: int) twice():\n    return x * 2\n1 / 0",
        "x = [1, 2, 3]\nx.sort(key=lambda v :: x.append(v) or v)",
        "s = set()\nf = lambda a = [s] :: a\ns.add(f)\nd = {}\nd['d'] = d.items()",
        "x = 'a' * 10000000\ny = [x + 'b', x + 'c', x + 'd', x + 'e']",
        "while true:\n    pass",
    ];
    // What is made once for the whole process.
    sources.iter().for_each(|source| live(source));
    for source in sources {
        let before = LIVE.load(Ordering::Relaxed);
        live(source);
        let left = LIVE.load(Ordering::Relaxed) - before;
        assert_eq!(left, 0, "{source}");
    }
}
