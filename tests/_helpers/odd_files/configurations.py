"""Configurations that a YAML reader takes for something else, or that keep it busy."""

from pathlib import Path


def make_key_twice(path: Path) -> None:
    path.write_text("training:\n  batch_size: 4\n  seed: 1\n  batch_size: 8\n")


def make_section_twice(path: Path) -> None:
    path.write_text("model: {motion: tps}\ndata:\n  frame_size: 64\nmodel:\n  background: null\n")


def make_yaml_1_1_values(path: Path) -> None:
    """Values that YAML 1.1 reads as false, 8, text and 90."""
    path.write_text(
        "training: {batch_size: 010, learning_rate: 1e-4}\ndata: {identity_sampling: no}\n"
    )


def make_sexagesimal(path: Path) -> None:
    path.write_text("training: {batch_size: 1:30}\n")


def make_merged_sections(path: Path) -> None:
    path.write_text(
        "training: &shared {batch_size: 3, epochs: 7}\n"
        "avd:\n  <<: *shared\n  epochs: 5\n"  # the key that merges precedes the merged one
    )


def make_tabs(path: Path) -> None:
    path.write_text("training:\n\tbatch_size: 4\n")


def make_byte_order_mark(path: Path) -> None:
    path.write_text("training: {batch_size: 5}\n", encoding="utf-8-sig")


def make_utf_16(path: Path) -> None:
    path.write_text("training: {batch_size: 5}\n", encoding="utf-16")


def make_null_character(path: Path) -> None:
    path.write_bytes(b"training: {batch_size: 4}\0\n")


def make_alias_bomb(path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 12):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]")
    path.write_text("\n".join(lines))


def make_merge_bomb(path: Path) -> None:
    lines = ["a0: &a0 {k: 1}"]
    for level in range(1, 12):
        lines.append(f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}]}}")
    path.write_text("\n".join(lines))


def make_alias_in_itself(path: Path) -> None:
    path.write_text("data: &d {augment: *d}\n")


def make_deep_nesting(path: Path) -> None:
    path.write_text(f"data: {'[' * 20_000}")


def make_huge_file(path: Path) -> None:
    path.write_text("# much\n" * 400_000)


def make_two_documents(path: Path) -> None:
    path.write_text("training: {batch_size: 4}\n---\ntraining: {batch_size: 8}\n")


def make_python_object(path: Path) -> None:
    path.write_text("data: !!python/object/apply:os.system ['touch executed']\n")


def make_bad_number_tag(path: Path) -> None:
    path.write_text("training: {batch_size: !!int four, seed: !!timestamp never}\n")


def make_huge_number(path: Path) -> None:
    path.write_text(f"training: {{batch_size: {'9' * 10_000}}}\n")


def make_long_value(path: Path) -> None:
    path.write_text(f"training: {{batch_size: {'many ' * 5_000}}}\n")
