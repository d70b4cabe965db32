//! `dana-worker`: locks itself in, says Hello, serves one session, ends.

#![deny(unsafe_code)]

use dana_meter::Counting;
use dana_worker::exit::Exit;
use dana_worker::heap::Heap;
use dana_worker::{arguments, crash, sandbox, serve};

#[global_allocator]
#[expect(unsafe_code, reason = "the promise that the heap asks for")]
// SAFETY: this program starts no thread; the sandbox asserts that there is one, and the filter forbids another.
static HEAP: Counting<Heap> = Counting::new(unsafe { Heap::single_threaded() });

fn main() {
    run().leave()
}

fn run() -> Exit {
    crash::report_panics();
    let arguments = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) if arguments.protocol == dana_wire::PROTOCOL => arguments,
        Ok(arguments) => {
            crash::say_line(format_args!(
                "protocol {} here, {} asked",
                dana_wire::PROTOCOL,
                arguments.protocol
            ));
            return Exit::Usage;
        }
        Err(error) => {
            crash::say_line(format_args!("{error}"));
            return Exit::Usage;
        }
    };
    let layers = match sandbox::lock(&arguments) {
        Ok(layers) => layers,
        Err(broken) => {
            crash::say_line(format_args!("{broken}"));
            return Exit::Setup;
        }
    };
    match serve::serve(layers) {
        Ok(()) => Exit::Closed,
        Err(error) => {
            crash::say_line(format_args!("{error}"));
            error.exit()
        }
    }
}
