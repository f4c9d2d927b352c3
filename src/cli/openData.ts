// --data: the option and how it is opened, the same for every verb that takes it.
import { DATA_FORMATS, openDataset } from "../runs/data/loadDataset.js";
import { type FeatureOptions, scatteringFeatures } from "../runs/features/extract.js";
import { type Dataset, DatasetError } from "../trainer/data/dataset.js";
import { type Option, UsageError } from "./options.js";
import { tell } from "./print.js";

export const DATA: Option = {
  name: "data",
  value: "NAME|PATH",
  help: `${DATA_FORMATS} (train/CLASS/…, test/CLASS/…; PATH@64 scales them to 64 x 64); scattering:NAME|PATH for scattering features of it, scattering-mirror:NAME|PATH for those of mirror images added`,
};
export const FEATURE_CACHE: Option = {
  name: "feature-cache",
  value: "DIR",
  help: "keep features there, to compute them once; those of private data are private, keep them with the data",
};

/** Milliseconds. */
const SAY_EVERY = 5000;

/** The data set as it is trained on: with features in place of images where a front end is named. */
export async function openData(name: string, options: { readonly cache?: string } = {}): Promise<Dataset> {
  const [, mirror, path] = /^scattering(-mirror)?:(.+)$/s.exec(name) ?? [];
  if (path === undefined) return openImages(name);
  const images = await openImages(path);
  // Said when it begins to take long, and then every so often: features that are kept take no time.
  let said = performance.now();
  const onProgress: FeatureOptions["onProgress"] = ({ done, count }) => {
    if (!(performance.now() - said > SAY_EVERY)) return;
    said = performance.now();
    tell(`features: ${done} of ${count} images`);
  };
  return refusing(() =>
    scatteringFeatures(images, { ...(mirror && { mirror: true }), ...options, onProgress }),
  );
}

/** The images themselves, which a ledger's fingerprint speaks of, whatever front end is named. */
export function openImages(name: string): Promise<Dataset> {
  return refusing(() => openDataset(name.replace(/^scattering(-mirror)?:/, "")));
}

async function refusing<T>(open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof DatasetError)
      throw new UsageError(`--data ${error.message.replace(/^data (?=must|folder|mnist|fashion)/, "")}`);
    throw error;
  }
}
