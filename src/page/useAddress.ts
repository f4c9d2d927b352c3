// The state as a hook: it begins with the page's address, which then follows it.
import { useEffect, useState } from "preact/hooks";
import { fromFragment, type State, toFragment } from "./state.js";

/** A new state, or what makes one of the last. */
export type SetState = (next: State | ((before: State) => State)) => void;

/** Milliseconds after which the address follows: typing is one entry of the history, not fifty. */
const PAUSE = 150;

export function useAddress(): readonly [State, SetState] {
  const [state, setState] = useState<State>(() => fromFragment(location.hash));
  useEffect(() => {
    const timer = setTimeout(() => writeAddress(state), PAUSE);
    return () => clearTimeout(timer);
  }, [state]);
  useEffect(() => {
    const changed = () => setState(fromFragment(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return [state, setState];
}

export function writeAddress(state: State): void {
  history.replaceState(null, "", `#${toFragment(state)}`);
}
