//! The figures of `docs/PROTOCOL.md` are those of the code.

use dana_wire::{
    ASSERTION_BYTES, Budget, CAUSES, EXCEPTION_COST, EXCEPTION_TEXT_COST, FUNCTIONS, HANDLES, KEYWORDS,
    LAYERS, LINE_BYTES, MESSAGE_BYTES, MESSAGES, NAME_BYTES, NODE_COST, OPERANDS, PACKED_COST, PARTS,
    TABLE_COST, TEXT_BYTES, TRACE_FRAMES,
};

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/PROTOCOL.md"));

/// The figures of each row of the table under `heading`, in order.
fn figures(heading: &str) -> Vec<Vec<usize>> {
    let after = DOCUMENT.split_once(heading).expect(heading).1;
    let section = after.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| row.split('|').skip(2).filter_map(|cell| cell.trim().parse().ok()).collect()).collect()
}

#[test]
fn budgets_are_as_documented() {
    let of = |budget: &Budget| {
        let Budget { frame_bytes, payload_bytes, nodes, depth, string_bytes, memory } = *budget;
        [frame_bytes, payload_bytes, nodes, depth, string_bytes, memory]
    };
    let [worker, host] = [of(&Budget::FROM_WORKER), of(&Budget::FROM_HOST)];
    let expected: Vec<Vec<usize>> =
        worker.iter().zip(host).map(|(worker, host)| vec![*worker, host]).collect();
    assert_eq!(figures("## Budgets"), expected);
    assert!(DOCUMENT.contains(&format!("{NODE_COST} bytes a value, {PACKED_COST} a packed element")));
    assert!(DOCUMENT.contains(&format!(
        "{EXCEPTION_COST} an exception and {EXCEPTION_TEXT_COST} a byte of its message; {TABLE_COST} a table"
    )));
}

#[test]
fn caps_are_as_documented() {
    let expected = [
        TEXT_BYTES,
        MESSAGE_BYTES,
        LINE_BYTES,
        NAME_BYTES,
        KEYWORDS,
        FUNCTIONS,
        HANDLES,
        MESSAGES,
        LAYERS,
        TRACE_FRAMES,
        CAUSES,
        OPERANDS,
        PARTS,
        ASSERTION_BYTES,
    ];
    assert_eq!(figures("## Caps of message fields"), expected.map(|cap| vec![cap]));
}
