"""Pages in a real browser: nothing overflows, is empty or too faint, at 400 and 1400 pixels, light and dark and on paper;
a page asks for nothing, and hostile names run nothing. BELLE_SCREENSHOTS=folder writes a picture of each."""

import array
import functools
import json
import os
import pathlib
import random
import tempfile

from browser import browser
from support import check, tools

NEEDS = []
LAYERS, HIDDEN, MIDDLE, VOCABULARY = 12, 64, 160, 512
WIDTHS = (400, 1400)

# What is wrong with a page as it is laid out, in sentences.
FAULTS = r"""
(() => {
  const faults = [];
  const tell = (element, what) => {
    if (faults.length < 20) faults.push(what + ': <' + element.tagName.toLowerCase() + ' class="' +
      (element.getAttribute('class') || '') + '"> ' + (element.textContent || '').slice(0, 40));
  };
  const width = window.innerWidth;
  if (document.documentElement.scrollWidth > width) faults.push('the page is wider than the window');
  const colour = text => { const c = text.match(/[\d.]+/g).map(Number); return c.length < 4 ? [...c, 1] : c; };
  const light = c => {
    const part = c.slice(0, 3).map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * part[0] + .7152 * part[1] + .0722 * part[2];
  };
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const c = colour(getComputedStyle(e).backgroundColor);
      if (c[3] > 0) return c;
    }
    return [255, 255, 255, 1];
  };
  let shapes = 0, texts = 0;
  for (const element of document.body.querySelectorAll('*')) {
    const name = element.tagName.toLowerCase();
    if (['wbr', 'title', 'br'].includes(name)) continue;
    if (element.closest('thead') && getComputedStyle(element.closest('thead')).display === 'none') continue;
    const box = element.getBoundingClientRect();
    const isShape = element.closest('svg') && name !== 'svg';
    if (isShape) {
      shapes++;
      if (name === 'path' && (element.getAttribute('d') || '').length < 4) tell(element, 'an empty path');
      if (name === 'rect' && Number(element.getAttribute('width')) > 0 && box.width <= 0) tell(element, 'an empty shape');
      const frame = element.ownerSVGElement.getBoundingClientRect();
      if (box.left < frame.left - 4 || box.right > frame.right + 4 || box.top < frame.top - 4 ||
          box.bottom > frame.bottom + 4) tell(element, 'a shape outside of its drawing');
      continue;
    }
    if (element.getClientRects().length === 0 || box.width < 1 || box.height < 1) { tell(element, 'empty'); continue; }
    if (box.left < -.5 || box.right > width + .5) tell(element, 'outside of the window');
    if (element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1) tell(element, 'what is in it overflows');
    if (element.children.length === 0 && !element.textContent.trim()) tell(element, 'nothing in it');
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (own) {
      texts++;
      const style = getComputedStyle(element);
      const [one, other] = [light(colour(style.color)), light(ground(element))];
      const contrast = (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
      if (contrast < 4.5) tell(element, 'too faint (' + contrast.toFixed(2) + ')');
      if (parseFloat(style.fontSize) < 10.5) tell(element, 'too small (' + style.fontSize + ')');
    }
  }
  for (const labels of document.querySelectorAll('.xs, .ys')) {
    const boxes = [...labels.children].map(e => e.getBoundingClientRect());
    for (let i = 0; i < boxes.length; i++) for (let j = 0; j < i; j++) {
      const [a, b] = [boxes[i], boxes[j]];
      if (a.left < b.right - .5 && b.left < a.right - .5 && a.top < b.bottom - .5 && b.top < a.bottom - .5)
        tell(labels.children[i], 'a label over another one');
    }
  }
  return {faults, shapes, texts, ground: getComputedStyle(document.documentElement).backgroundColor,
    scripts: document.scripts.length};
})()
"""


def write_safetensors(path, tensors, metadata=None):
    """tensors: name → (shape, floats)."""
    header, data = ({"__metadata__": metadata} if metadata else {}), b""
    for name, (shape, values) in tensors.items():
        part = array.array("f", values).tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + data)


def write_model(folder, seed, noise=0.0):
    """A model of random numbers that grows over its layers, as real ones do; another one near it with noise."""
    folder.mkdir()
    draw, other = random.Random(seed), random.Random(seed + 1)
    tensors = {}

    def add(name, *shape, scale=1.0, mean=0.0):
        count = 1
        for size in shape:
            count *= size
        values = [mean + draw.gauss(0, scale) for _ in range(count)]
        tensors[name] = (list(shape), [v + noise * scale * other.gauss(0, 1) for v in values] if noise else values)

    add("model.embed_tokens.weight", VOCABULARY, HIDDEN, scale=0.6)
    for layer in range(LAYERS):
        place, scale = f"model.layers.{layer}.", 0.06 + 0.012 * layer
        add(place + "input_layernorm.weight", HIDDEN, scale=0.05, mean=1)
        add(place + "post_attention_layernorm.weight", HIDDEN, scale=0.05, mean=1)
        for name, rows, columns in [("self_attn.q_proj", HIDDEN, HIDDEN), ("self_attn.k_proj", HIDDEN // 2, HIDDEN),
                                    ("self_attn.v_proj", HIDDEN // 2, HIDDEN), ("self_attn.o_proj", HIDDEN, HIDDEN),
                                    ("mlp.gate_proj", MIDDLE, HIDDEN), ("mlp.up_proj", MIDDLE, HIDDEN),
                                    ("mlp.down_proj", HIDDEN, MIDDLE)]:
            add(place + name + ".weight", rows, columns, scale=scale * (1 + 0.3 * (name == "mlp.down_proj")))
    add("model.norm.weight", HIDDEN, scale=0.05, mean=1)
    add("lm_head.weight", VOCABULARY, HIDDEN, scale=0.3)
    write_safetensors(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN, "intermediate_size": MIDDLE,
        "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": VOCABULARY,
        "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "torch_dtype": "float32"}))
    return folder


def write_tokens(path, rows, length):
    draw = random.Random(5)
    values = [draw.randrange(VOCABULARY) * draw.randrange(2) for _ in range(rows * length)]
    data = array.array("i", values).tobytes()
    head = json.dumps({"t": {"dtype": "I32", "shape": [rows, length], "data_offsets": [0, len(data)]}}).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + data)
    return path


@functools.cache
def pages():
    """A page of each kind: name → path. Removed with the process."""
    keep = tempfile.TemporaryDirectory(prefix="belle-interop-")
    pages.keep = keep
    folder = pathlib.Path(keep.name)
    model, near = write_model(folder / "example-12L", 1), write_model(folder / "example-12L-tuned", 1, noise=0.05)
    text = write_tokens(folder / "tokens.safetensors", 24, 64)
    given = os.environ.get("BELLE_REPORT_MODEL")
    words = []
    if given:
        model = pathlib.Path(given)
        text = pathlib.Path(os.environ["BELLE_REPORT_TEXT"])
        words = ["--max-tokens", "4000"]
    packed = folder / "example-12L-gptq-4bit-32g"
    size = ["--group-size", "32"]
    calibration = ["--calibration", text] if text.suffix == ".safetensors" else []
    tools("quantize", model, packed, *size, *calibration, "--report", folder / "quantize.html")
    tools("report", packed, folder / "report.html")
    tools("evaluate", packed, "--text", text, "--reference", model, *words, "--report", folder / "evaluate.html")
    tools("evaluate", packed, "--text", text, *words, "--report", folder / "evaluate-alone.html")
    tools("compare", model, packed, "--report", folder / "compare.html", status=None)
    tools("compare", folder / "example-12L", near, "--report", folder / "compare-near.html", status=None)
    tools("inspect", packed, "--report", folder / "inspect.html")
    name = '</style><script>document.title="run"</script><img src=x onerror=\'document.title="run"\'>'
    hostile = {name: ([8], range(8)), f"l.0.{name}": ([8], range(8)), f"l.1.{name}": ([8], range(8)),
               "l." + "W" * 5000: ([8], range(8)), "层.\u202e权重": ([8], range(8))}
    write_safetensors(folder / "hostile.safetensors", hostile, {name: name})
    tools("inspect", folder / "hostile.safetensors", "--report", folder / "hostile.html")
    write_safetensors(folder / "none.safetensors", {"a": ([0], [])})
    tools("inspect", folder / "none.safetensors", "--report", folder / "none.html")
    return {path.stem: path for path in sorted(folder.glob("*.html"))}


def laid_out(width, scheme, media=""):
    """Opens every page and complains of what is wrong with it."""
    ground = "rgb(20, 23, 28)" if scheme == "dark" and not media else "rgb(255, 255, 255)"
    wrong, told = [], []
    with browser() as found:
        for name, path in pages().items():
            asked = found.open(path, width, scheme, media)
            page = found.evaluate(FAULTS)
            wrong += [f"{name}: {fault}" for fault in page["faults"]]
            wrong += [f"{name}: asked for or complained of {what}" for what in asked]
            if page["ground"] != ground:
                wrong.append(f"{name}: the ground is {page['ground']}")
            if page["scripts"] or found.evaluate("document.title") == "run":
                wrong.append(f"{name}: it has a script")
            if page["texts"] < 15:
                wrong.append(f"{name}: {page['texts']} texts are no page")
            told.append(page["shapes"])
            folder = os.environ.get("BELLE_SCREENSHOTS")
            if folder and not media:
                pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
                found.screenshot(pathlib.Path(folder) / f"{name}-{width}-{scheme}.png")
    assert not wrong, "; ".join(wrong[:12])
    return f"{len(told)} pages, {sum(told)} shapes"


@check("light, 400 pixels: nothing overflows, is empty or too faint")
def light_narrow():
    return laid_out(400, "light")


@check("light, 1400 pixels: nothing overflows, is empty or too faint")
def light_wide():
    return laid_out(1400, "light")


@check("dark, 400 pixels: nothing overflows, is empty or too faint")
def dark_narrow():
    return laid_out(400, "dark")


@check("dark, 1400 pixels: nothing overflows, is empty or too faint")
def dark_wide():
    return laid_out(1400, "dark")


@check("on paper, with a dark system: light, and nothing overflows")
def paper():
    return laid_out(720, "dark", "print")


@check("without a network and twice: the same bytes but for what was measured")
def same():
    again = pages()["report"].with_name("again.html")
    packed = pages()["report"].with_name("example-12L-gptq-4bit-32g")
    tools("report", packed, again)
    assert again.read_bytes() == pages()["report"].read_bytes()
    for name, path in pages().items():
        assert path.stat().st_size < 400_000, f"{name}: {path.stat().st_size} bytes"
