// What the trainer asks of a process that holds a device, and what that answers.
import type { Augmentation } from "../../trainer/augmentation.js";
import type { LabelledImages } from "../../trainer/data/dataset.js";
import type { ClipRule, Evaluation } from "../../trainer/gradientEngine.js";
import type { NetworkSpec } from "../../trainer/layers/spec.js";
import type { Level } from "./device.js";
import type { PrecisionName } from "./kernel.js";

export type ImagesHead = Omit<LabelledImages, "pixels" | "labels">;

export type Request =
  | {
      readonly kind: "start";
      readonly network: NetworkSpec;
      readonly train: ImagesHead;
      readonly test: ImagesHead;
      readonly augmentation: Augmentation;
      readonly microBatch: number;
      readonly precision: PrecisionName;
      readonly level: Level | undefined;
      readonly hardwareOnly: boolean;
    }
  | { readonly kind: "clipped-sum"; readonly step: number; readonly clip: ClipRule }
  | { readonly kind: "evaluate"; readonly set: "train" | "test" };

export type Reply =
  | { readonly kind: "started"; readonly description: string; readonly precision: PrecisionName }
  | { readonly kind: "summed"; readonly nonFinite: boolean }
  | { readonly kind: "evaluated"; readonly evaluation: Evaluation }
  | { readonly kind: "no-device"; readonly message: string }
  | { readonly kind: "mixed-examples"; readonly message: string }
  | { readonly kind: "failed"; readonly message: string };
