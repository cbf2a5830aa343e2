// What to do with a service that has no device yet.
import { command, fill, h } from "./dom.js";

/** Fill an element with the first steps, once. */
export function fillFirstSteps(element) {
  if (element.childElementCount) return;
  const server = location.origin;
  fill(
    element,
    h("h2", {}, "No device yet"),
    h(
      "p",
      { class: "lead" },
      "A device is any hardware that your networks run on. Three steps fill these pages:",
    ),
    h("h3", {}, "1. On the device: check that it is fit for measuring, then start its agent"),
    command(
      "make wheel      # in a clone of lpnet; then copy dist/lpnet-*.whl to the device\n" +
        'pip install "$(echo ./lpnet-*.whl)[agent]" && lpnet-agent doctor',
    ),
    command(`lpnet-agent run --server ${server}`),
    h(
      "p",
      { class: "small soft" },
      "Run make wheel in a clone of lpnet to build the file, and copy it from dist to the device.",
    ),
    h("h3", {}, "2. On any machine: measure a network on the device and train its LPNet"),
    command(`export LPNET_URL=${server}\nlpnet targets\nlpnet profile TARGET mobilenet_v2`),
    h("h3", {}, "3. Or import samples that you already have"),
    command("lpnet import --target my-phone samples.jsonl"),
    h(
      "p",
      { class: "small soft" },
      "If the service requires tokens, create one for each agent: " +
        "lpnet-service token create --name rack-3 --scope agent --device rack-3",
    ),
  );
}
