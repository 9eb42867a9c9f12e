from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from app.config import Settings
from app.errors import DamagedWeights, ModelNotFetched, ModelNotFound
from app.models.catalog import Catalog
from app.models.manifest import Reasoning
from app.models.memory import MemoryBudget
from app.weights.checksums import Checksums
from model_store import manifests_dir
from tests.support.gguf_files import LLAMA, GGUFFile, Tensor, write_gguf

pytestmark = pytest.mark.usefixtures("one_shipped")

DEFAULT = "smollm2-135m-instruct"
CONTENT = GGUFFile().build()
SUM = hashlib.sha256(CONTENT).hexdigest()


def manifest_text(model_id: str, *, sha256: str = "", path: str = "weights/mine", title: str = "Mine") -> str:
    total = f'sha256 = "{sha256}"\n' if sha256 else ""
    return (
        f'id = "{model_id}"\ntitle = "{title}"\nengine = "llama_cpp"\nlanguages = ["en"]\n'
        f'[source]\nkind = "folder"\npath = "{path}"\n[[files]]\npath = "model.gguf"\n{total}'
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with one model of the user's own."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "mine.toml").write_text(manifest_text("mine", sha256=SUM))
    write_gguf(tmp_path / "weights" / "mine" / "model.gguf")
    return tmp_path


def ids(catalog: Catalog) -> list[str]:
    return [m.id for m in catalog.list()]


def touch_later(path: Path) -> None:
    """What a write a moment later does to the time of change, without waiting for it."""
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))


def test_an_empty_store_has_the_shipped_models(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "none")
    assert DEFAULT in ids(catalog)
    assert catalog.problems == []
    status = catalog.status(DEFAULT)
    assert (status.state, status.size_bytes) == ("not_fetched", 98_362_432)
    assert f"parley models pull {DEFAULT}" in status.detail
    with pytest.raises(ModelNotFetched) as caught:
        catalog.weights(DEFAULT)
    assert caught.value.details == {"model_id": DEFAULT, "size_bytes": 98_362_432}


def test_the_shipped_folder_as_store_is_read_once() -> None:
    catalog = Catalog(manifests_dir().parent)
    assert catalog.problems == []
    assert len(ids(catalog)) == len(set(ids(catalog)))


def test_a_users_model_comes_first_and_is_ready(store: Path) -> None:
    catalog = Catalog(store)
    assert ids(catalog)[0] == "mine"
    before = catalog.status("mine")
    assert (before.state, before.size_bytes, before.verified) == ("ready", len(CONTENT), False)
    assert catalog.weights("mine") == store / "weights" / "mine" / "model.gguf"
    assert catalog.digest("mine") == SUM
    assert catalog.status("mine").verified


def test_a_users_manifest_takes_the_place_of_a_shipped_one(store: Path) -> None:
    (store / "manifests" / "other.toml").write_text(manifest_text(DEFAULT, title="My own"))
    catalog = Catalog(store)
    assert ids(catalog).count(DEFAULT) == 1
    assert catalog.get(DEFAULT).title == "My own"


def test_broken_manifests_are_reported_and_the_others_work(store: Path) -> None:
    (store / "manifests" / "broken.toml").write_text("id = ")
    (store / "manifests" / "zz-twin.toml").write_text(manifest_text("mine"))
    catalog = Catalog(store)
    assert "mine" in ids(catalog)
    broken, twin = catalog.problems
    assert "broken.toml" in broken.message
    assert "mine.toml" in twin.message
    assert "zz-twin.toml" in twin.message


def test_what_is_dropped_in_while_the_server_runs_shows_up(store: Path) -> None:
    catalog = Catalog(store)
    assert "late" not in ids(catalog)
    (store / "manifests" / "late.toml").write_text(manifest_text("late"))
    assert "late" in ids(catalog)
    (store / "manifests" / "late.toml").write_text("nonsense, longer than before" * 50)
    assert "late" not in ids(catalog)
    assert len(catalog.problems) == 1


def test_unknown_models_are_named_with_a_hint(store: Path) -> None:
    with pytest.raises(ModelNotFound, match="Did you mean mine") as caught:
        Catalog(store).get("mime")
    assert caught.value.details["known"] == sorted([DEFAULT, "mine"])
    with pytest.raises(ModelNotFound) as caught:
        Catalog(store).get("x" * 100_000)
    assert len(caught.value.message) < 200


# Weights without a manifest


def test_a_chat_template_tells_of_the_reasoning(tmp_path: Path) -> None:
    def reasoning(template: str) -> Reasoning:
        write_gguf(tmp_path / "weights" / "m.gguf", GGUFFile(LLAMA | {"tokenizer.chat_template": template}))
        return Catalog(tmp_path).list()[0].reasoning

    assert reasoning("{{ messages }}") == Reasoning()
    assert reasoning("{{ messages }}<think>") == Reasoning(thinks=True)
    switch = "{% if not enable_thinking %}<think></think>{% endif %}"
    assert reasoning(switch) == Reasoning("enable_thinking", thinks=True)


def test_a_dropped_file_is_a_model(tmp_path: Path) -> None:
    write_gguf(tmp_path / "weights" / "My Model (v2).Q4_K.gguf")
    catalog = Catalog(tmp_path)
    manifest = catalog.list()[0]
    assert manifest.id == "my-model-v2-.q4_k"
    assert manifest.title == "My Model (v2).Q4_K"
    assert (manifest.family, manifest.languages, manifest.parameters) == ("native", (), "1K")
    assert (manifest.licence, manifest.quantization, manifest.context_tokens) == ("mit", "F32", 512)
    assert catalog.status(manifest.id).state == "ready"
    assert catalog.weights(manifest.id).name == "My Model (v2).Q4_K.gguf"
    assert catalog.digest(manifest.id) == SUM


def test_a_dropped_file_that_is_damaged_is_shown_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "cut.gguf").write_bytes(CONTENT[:-40])
    catalog = Catalog(tmp_path)
    assert ids(catalog)[0] == "cut"
    status = catalog.status("cut")
    assert (status.state, status.memory) == ("damaged", None)
    assert "cut off" in status.detail
    with pytest.raises(DamagedWeights) as caught:
        catalog.weights("cut")
    assert caught.value.details["model_id"] == "cut"


def test_ids_made_of_file_names_never_clash(store: Path) -> None:
    for name in ("mine.gguf", "Mine.gguf", "---.gguf", "模型.gguf", "x" * 200 + ".gguf"):
        write_gguf(store / "weights" / name)
    found = [m for m in Catalog(store).list() if m.id != DEFAULT]
    assert sorted(m.id for m in found) == sorted(["mine", "mine-2", "mine-3", "model", "model-2", "x" * 56])
    assert len({m.files[0].path for m in found}) == 6


def test_a_file_that_a_manifest_describes_is_not_listed_twice(store: Path) -> None:
    (store / "manifests" / "flat.toml").write_text(manifest_text("flat", path="weights"))
    write_gguf(store / "weights" / "model.gguf")
    assert ids(Catalog(store)) == ["flat", "mine", DEFAULT]


def part(number: int, parts: int = 2) -> GGUFFile:
    split = {"split.no": number, "split.count": parts}
    return GGUFFile({**LLAMA, **split} if number == 0 else split, [Tensor(f"t{number}", (8,))])


def test_a_split_model_is_one_model(tmp_path: Path) -> None:
    for number in range(2):
        write_gguf(tmp_path / "weights" / f"big-0000{number + 1}-of-00002.gguf", part(number))
    catalog = Catalog(tmp_path)
    assert ids(catalog) == ["big", DEFAULT]
    assert catalog.status("big").state == "ready"
    assert catalog.weights("big").name == "big-00001-of-00002.gguf"
    (tmp_path / "weights" / "big-00002-of-00002.gguf").unlink()
    assert catalog.status("big").state == "not_fetched"
    assert "big-00002-of-00002.gguf does not exist" in catalog.status("big").detail


def test_a_part_alone_is_no_model(tmp_path: Path) -> None:
    write_gguf(tmp_path / "weights" / "half.gguf", part(0))
    assert "one of 2 parts" in Catalog(tmp_path).status("half").detail


# Damage


def test_a_flipped_byte_is_found(store: Path) -> None:
    path = store / "weights" / "mine" / "model.gguf"
    path.write_bytes(CONTENT[:-1] + b"\0")
    catalog = Catalog(store)
    assert catalog.status("mine").state == "ready"  # nothing is hashed for a list
    with pytest.raises(DamagedWeights, match="SHA-256") as caught:
        catalog.weights("mine")
    assert caught.value.details["file"] == "model.gguf"
    assert catalog.status("mine").state == "damaged"
    path.write_bytes(CONTENT)
    touch_later(path)
    assert catalog.weights("mine") == path


def test_sums_are_computed_once_and_survive_a_restart(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Catalog(store).weights("mine")

    def refuse(*_: object) -> str:
        raise AssertionError("hashed again")

    with monkeypatch.context() as patch:
        patch.setattr("app.weights.checksums.digest_of", refuse)
        assert Catalog(store).weights("mine").exists()
        assert Catalog(store).status("mine").verified
        with pytest.raises(AssertionError):
            Catalog(store).verify("mine", again=True)
        touch_later(store / "weights" / "mine" / "model.gguf")
        with pytest.raises(AssertionError):
            Catalog(store).weights("mine")


def test_a_sum_computed_by_another_process_is_seen(store: Path) -> None:
    here = Catalog(store)
    assert not here.status("mine").verified
    Catalog(store).weights("mine")
    assert here.status("mine").verified
    path = store / "weights" / "mine" / "model.gguf"
    touch_later(path)
    assert not here.status("mine").verified
    Catalog(store).weights("mine")
    assert here.status("mine").verified


def test_a_file_that_is_written_to_while_it_is_read_is_judged_but_not_remembered(store: Path) -> None:
    path = store / "weights" / "mine" / "model.gguf"
    path.write_bytes(CONTENT[:-1] + b"\0")
    catalog = Catalog(store)
    with pytest.raises(DamagedWeights, match="SHA-256"):
        catalog.verify("mine", on_progress=lambda _done, _total: touch_later(path))
    assert catalog.files.checksums.known(path) is None


def test_scribbled_notes_are_computed_again(store: Path) -> None:
    Catalog(store).weights("mine")
    notes = list((store / "weights" / ".checked").glob("*.json"))
    assert len(notes) == 1
    for scribble in ("", "[]", "{}", '{"size_bytes": null}', "\udcff"):
        notes[0].write_bytes(scribble.encode("utf-8", "surrogateescape"))
        assert Checksums(store).known(store / "weights" / "mine" / "model.gguf") is None
        assert Catalog(store).weights("mine").exists()


def test_a_check_reads_everything_and_tells_how_far_it_is(store: Path) -> None:
    seen: list[tuple[int, int]] = []
    Catalog(store).verify("mine", again=True, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_links_that_lead_out_of_the_folder_are_refused(store: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = write_gguf(tmp_path_factory.mktemp("elsewhere") / "secret.gguf")
    path = store / "weights" / "mine" / "model.gguf"
    path.unlink()
    path.symlink_to(secret)
    catalog = Catalog(store)
    assert "points outside" in catalog.status("mine").detail
    with pytest.raises(DamagedWeights, match="points outside"):
        catalog.weights("mine")
    with pytest.raises(DamagedWeights, match="points outside"):
        catalog.verify("mine", again=True)
    # A folder in between that is a link is no better.
    shutil.rmtree(path.parent)
    (path.parent).mkdir()
    (path.parent / "deep").symlink_to(secret.parent)
    text = manifest_text("mine").replace('"model.gguf"', '"deep/secret.gguf"')
    (store / "manifests" / "mine.toml").write_text(text)
    assert "points outside" in catalog.status("mine").detail


def test_links_inside_the_folder_and_to_the_folder_are_fine(store: Path) -> None:
    folder = store / "weights" / "mine"
    (folder / "model.gguf").rename(folder / "real.gguf")
    (folder / "model.gguf").symlink_to("real.gguf")
    folder.rename(store / "moved")
    folder.symlink_to(store / "moved")
    assert Catalog(store).weights("mine").read_bytes() == CONTENT


def test_a_folder_where_a_file_should_be(store: Path) -> None:
    path = store / "weights" / "mine" / "model.gguf"
    path.unlink()
    path.mkdir()
    assert "is not a file" in Catalog(store).status("mine").detail


def test_a_size_that_differs_is_seen_at_once(store: Path) -> None:
    text = manifest_text("mine") + f"size_bytes = {len(CONTENT) + 1}\n"
    (store / "manifests" / "mine.toml").write_text(text)
    status = Catalog(store).status("mine")
    assert status.state == "damaged"
    assert f"has {len(CONTENT):,} bytes instead of {len(CONTENT) + 1:,}" in status.detail


def test_an_absolute_folder(store: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("models")
    write_gguf(elsewhere / "model.gguf")
    (store / "manifests" / "far.toml").write_text(manifest_text("far", path=str(elsewhere)))
    assert Catalog(store).weights("far") == elsewhere / "model.gguf"


# Memory, digests, cost


def test_a_model_fits_with_one_slot_at_least(store: Path) -> None:
    catalog = Catalog(store)
    memory = catalog.memory("mine")
    assert memory is not None
    assert (memory.context_tokens, memory.slots) == (512, 4)
    assert catalog.budget.snapshot().fits(memory)
    least = memory.with_slots(1).total_bytes  # fewer slots are granted before a model is refused
    for limit_bytes, fits in ((least, True), (least - 1, False)):
        assert MemoryBudget(limit_bytes).snapshot().fits(memory) is fits


def test_settings_are_followed(store: Path) -> None:
    catalog = Catalog.from_settings(Settings(model_store=store, context_tokens=256, slots=7, memory_limit_mib=1))
    memory = catalog.memory("mine")
    assert memory is not None
    assert (memory.context_tokens, memory.slots) == (256, 7)
    assert not catalog.budget.snapshot().fits(memory)


def test_digests_name_what_answers(store: Path) -> None:
    upstream = (
        'id = "{}"\ntitle = "U"\nengine = "openai"\n[source]\nkind = "upstream"\n'
        'base_url = "http://127.0.0.1:1/v1"\nmodel = "{}"\n'
    )
    (store / "manifests" / "a.toml").write_text(upstream.format("a", "one"))
    (store / "manifests" / "b.toml").write_text(upstream.format("b", "two"))
    catalog = Catalog(store)
    assert catalog.status("a").state == "ready"
    assert len({catalog.digest("a"), catalog.digest("b"), catalog.digest("mine")}) == 3
    two = manifest_text("two") + '[[files]]\npath = "style.gguf"\n'
    (store / "manifests" / "two.toml").write_text(two)
    style = write_gguf(store / "weights" / "mine" / "style.gguf", GGUFFile({**LLAMA, "general.type": "adapter"}))
    lines = f"{SUM}  model.gguf\n{hashlib.sha256(style.read_bytes()).hexdigest()}  style.gguf\n"
    assert catalog.digest("two") == hashlib.sha256(lines.encode()).hexdigest()
    assert catalog.weights("two").name == "model.gguf"


def test_a_store_that_cannot_be_written_to_still_serves(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    catalog = Catalog(store)
    assert catalog.weights("mine").exists()
    assert catalog.status("mine").verified  # remembered in memory
    assert not (store / "weights" / ".checked").exists()
