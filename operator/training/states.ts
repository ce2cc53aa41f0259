/** Every state of a PGGANTraining as an example: how it comes about in the model world, and what plan() answers. docs/states.md is made of it. */
import type { Health } from '../health.ts';
import { World } from './world.ts';

export type StateExample = { readonly state: string; readonly when: string; readonly health: Health; readonly world: () => World };

/** A world after `setUp`, planned twice, so that the answer is a settled one. */
const world =
  (setUp: (world: World) => void, spec: ConstructorParameters<typeof World>[0] = {}) =>
  (): World => {
    const made = new World(spec);
    made.reconcile();
    setUp(made);
    made.reconcile();
    return made;
  };

/** Through the preflight and into the first phase, whose process runs. */
function intoFirstPhase(made: World): void {
  for (let tick = 0; tick < 10 && !made.jobs.some((job) => job.task.kind === 'train' && job.pod); tick += 1) {
    made.tick();
    made.reconcile();
  }
}

const toTheEnd = (made: World): void => {
  for (let tick = 0; tick < 60 && made.status?.progressPercent !== 100; tick += 1) {
    made.tick();
    made.reconcile();
  }
  made.tick();
  made.reconcile();
};

/** Deleted with DeleteRun in its first phase, all of whose processes have ended; the deletion of the folder has failed where that is told. */
const deletingRun = (failure?: World['deletionFailure']) =>
  world(
    (made) => {
      intoFirstPhase(made);
      made.delete();
      made.reconcile();
      made.tick();
      made.tick();
      if (!failure) return;
      made.deletionFailure = failure;
      made.reconcile();
      made.tick();
    },
    { deletionPolicy: 'DeleteRun' },
  );

const endsWith = (exitCode: number, outOfMemory = false) =>
  world((made) => {
    intoFirstPhase(made);
    made.end(exitCode, outOfMemory);
  });

const onLostNode = (seconds: number) =>
  world((made) => {
    intoFirstPhase(made);
    made.lostSince = made.now.toISOString();
    made.seconds += seconds;
  });

const withoutPod = (seconds: number) =>
  world((made) => {
    made.refusedSince = made.now.toISOString();
    made.seconds += seconds;
  });

const waitsForRoom = (seconds: number) =>
  world((made) => {
    made.listen(true);
    intoFirstPhase(made);
    made.waiting = { code: 'StoreFull', message: 'no room left in pvc://data', since: made.now.toISOString() };
    made.seconds += seconds;
  });

const runTaken = (seconds: number) =>
  world((made) => {
    intoFirstPhase(made);
    made.end(137);
    made.reconcile();
    made.tick();
    made.endTaken();
    made.seconds += seconds;
  });

export const STATES: readonly StateExample[] = [
  {
    state: 'Not seen',
    when: 'the operator has not looked at the object yet',
    health: 'working',
    world: () => new World(),
  },
  {
    state: 'Just created',
    when: 'the object is new',
    health: 'working',
    world: () => {
      const made = new World();
      made.reconcile();
      return made;
    },
  },
  {
    state: 'Invalid',
    when: 'totalKimg ends before the last resolution has faded in',
    health: 'failed',
    world: world(() => {}, { totalKimg: 2 }),
  },
  {
    state: 'Edited, invalid',
    when: 'a coming phase was given a microbatch that does not divide its minibatch; the one that runs goes on',
    health: 'failed',
    world: world((made) => {
      intoFirstPhase(made);
      made.edit({ phases: [{ resolution: 16, microbatch: 7 }] });
    }),
  },
  {
    state: 'Edited, invalid, suspended',
    when: 'and was suspended: that holds for what runs',
    health: 'failed',
    world: world((made) => {
      intoFirstPhase(made);
      made.edit({ phases: [{ resolution: 16, microbatch: 7 }], suspend: true });
    }),
  },
  {
    state: 'Refused',
    when: 'the API server will not have one of its Jobs (quota, policy); asked again every minute',
    health: 'failed',
    world: () => {
      const made = new World();
      made.refusal = 'Job x-16 would be refused: exceeded quota';
      made.reconcile();
      return made;
    },
  },
  {
    state: 'Waits for its source',
    when: 'the training that initFrom names has not succeeded yet',
    health: 'working',
    world: world((made) => {
      made.source = { name: 'other', ready: false, message: 'PGGANTraining other has not succeeded yet.' };
      made.jobs = [];
    }),
  },
  { state: 'Preflight', when: "the preflight's pod runs", health: 'working', world: world((made) => made.tick()) },
  {
    state: 'Adopted',
    when: 'the preflight finds a finished run of the same fingerprint',
    health: 'done',
    world: world((made) => {
      made.images = 7000;
      made.tick();
      made.tick();
    }),
  },
  {
    state: 'Another run',
    when: 'the preflight finds a run of another fingerprint',
    health: 'failed',
    world: world((made) => {
      made.differences = ['seed'];
      made.tick();
      made.tick();
    }),
  },
  {
    state: 'Preflight unread',
    when: 'two preflights in a row ended well, and their pods were gone before their results were read',
    health: 'failed',
    world: world((made) => {
      made.forgetful = true;
      for (let round = 0; round < 8; round += 1) {
        made.tick();
        made.reconcile();
      }
    }),
  },
  { state: 'Queued', when: 'a queue has not admitted the Job', health: 'working', world: world(() => {}, { queue: { name: 'gpu' } }) },
  {
    state: 'Scheduling',
    when: 'the Job has no pod yet',
    health: 'working',
    world: world((made) => {
      intoFirstPhase(made);
      made.end(1);
    }),
  },
  {
    state: 'Edited before it began',
    when: 'the spec was edited since the Job was made, and it waits for its queue, or no pod of it has run',
    health: 'working',
    world: world((made) => made.edit({ queue: { name: 'gpus' } }), { queue: { name: 'gpu' } }),
  },
  {
    state: 'No pod',
    when: 'the Job has got no pod for a minute',
    health: 'working',
    world: withoutPod(60),
  },
  {
    state: 'No pod for long',
    when: 'for progressDeadlineSeconds; goes on when it gets one',
    health: 'failed',
    world: withoutPod(3600),
  },
  {
    state: 'Run taken',
    when: 'the process ended because another one may still write to the run; after a crash for a minute, until its lease has run out',
    health: 'working',
    world: runTaken(0),
  },
  {
    state: 'Run taken for long',
    when: 'for progressDeadlineSeconds; goes on when the run is free',
    health: 'failed',
    world: runTaken(3600),
  },
  {
    state: 'Training',
    when: 'a pod trains',
    health: 'working',
    world: world((made) => {
      made.listen(true);
      intoFirstPhase(made);
    }),
  },
  {
    state: 'Waits for room',
    when: 'the trainer says that its store is full',
    health: 'working',
    world: waitsForRoom(0),
  },
  {
    state: 'Waits for room for long',
    when: 'for progressDeadlineSeconds; goes on when there is room',
    health: 'failed',
    world: waitsForRoom(3600),
  },
  {
    state: 'Stands still',
    when: 'the trainer answers, and has trained on no image for progressDeadlineSeconds',
    health: 'failed',
    world: world((made) => {
      made.listen(true);
      intoFirstPhase(made);
      made.stillSince = made.now.toISOString();
      made.seconds += 3600;
    }),
  },
  {
    state: 'Node lost',
    when: 'the pod has been terminating for longer than its grace and a minute',
    health: 'working',
    world: onLostNode(0),
  },
  {
    state: 'Node lost for long',
    when: 'for progressDeadlineSeconds; goes on when the pod is gone',
    health: 'failed',
    world: onLostNode(3600),
  },
  {
    state: 'Between phases',
    when: 'a phase is complete',
    health: 'working',
    world: world((made) => {
      intoFirstPhase(made);
      for (let tick = 0; tick < 9 && made.jobs.some((job) => job.pod); tick += 1) made.tick();
    }),
  },
  {
    state: 'Previous pods',
    when: 'a pod of this name has not ended, whatever its owner',
    health: 'working',
    world: world((made) => {
      made.tick();
      made.tick();
      made.foreignPods = ['x-4-abcde'];
    }),
  },
  {
    state: 'Previous pods lost',
    when: 'such a pod is on a lost node',
    health: 'working',
    world: world((made) => {
      made.tick();
      made.tick();
      made.foreignPods = ['x-4-abcde'];
      made.lostSince = made.now.toISOString();
    }),
  },
  {
    state: 'Suspended',
    when: 'spec.suspend is set while a pod trains',
    health: 'suspended',
    world: world((made) => {
      intoFirstPhase(made);
      made.edit({ suspend: true });
    }),
  },
  {
    state: 'Suspended in a queue',
    when: 'spec.suspend is set on a queued training',
    health: 'suspended',
    world: world((made) => made.edit({ suspend: true }), { queue: { name: 'gpu' } }),
  },
  { state: 'Exit 2', when: 'run document, dataset or checkpoint is invalid', health: 'failed', world: endsWith(2) },
  { state: 'Exit 3', when: 'it does not fit into memory', health: 'failed', world: endsWith(3) },
  { state: 'Exit 4', when: 'the store is unreachable', health: 'working', world: endsWith(4) },
  {
    state: 'Exit 4, due again',
    when: 'the delay has passed',
    health: 'working',
    world: world((made) => {
      intoFirstPhase(made);
      made.end(4);
      made.reconcile();
      made.seconds += 40;
    }),
  },
  {
    state: 'Exit 4 for long',
    when: 'for progressDeadlineSeconds; still tried again',
    health: 'failed',
    world: world((made) => {
      intoFirstPhase(made);
      made.end(4);
      made.reconcile();
      made.seconds += 3600;
    }),
  },
  {
    state: 'Restarts spent',
    when: 'more failures than maxRestarts',
    health: 'failed',
    world: world(
      (made) => {
        intoFirstPhase(made);
        made.end(1);
      },
      { maxRestarts: 0 },
    ),
  },
  {
    state: 'Out of memory',
    when: 'three kills for memory in a row without headway',
    health: 'failed',
    world: world((made) => threeEnds(made, 137, true)),
  },
  {
    state: 'No headway',
    when: 'three ends in a row, exit 75 among them, without a newer checkpoint',
    health: 'failed',
    world: world((made) => threeEnds(made, 75, false)),
  },
  {
    state: 'Name conflict',
    when: 'the name of a Job belongs to another owner',
    health: 'failed',
    world: world((made) => {
      made.jobs = [];
      made.conflicts = ['x-preflight'];
    }),
  },
  {
    state: 'Retried',
    when: 'pggan.dev/retry has a new value',
    health: 'working',
    world: world((made) => {
      intoFirstPhase(made);
      made.end(2);
      made.reconcile();
      made.retry('1');
    }),
  },
  { state: 'Succeeded', when: 'all phases are complete', health: 'done', world: world(toTheEnd) },
  {
    state: 'Extended',
    when: 'totalKimg was raised after the end',
    health: 'working',
    world: world((made) => {
      toTheEnd(made);
      made.edit({ totalKimg: 8 });
    }),
  },
  {
    state: 'Extended, not seen',
    when: 'totalKimg was raised after the end, and the operator has not looked yet',
    health: 'working',
    world: () => {
      const made = world(toTheEnd)();
      made.edit({ totalKimg: 8 });
      return made;
    },
  },
  {
    state: 'Ended, suspended',
    when: 'spec.suspend is set after the end',
    health: 'done',
    world: world((made) => {
      toTheEnd(made);
      made.edit({ suspend: true });
    }),
  },
  {
    state: 'Deleted',
    when: 'the object is being deleted',
    health: 'going',
    world: world((made) => {
      intoFirstPhase(made);
      made.delete();
    }),
  },
  {
    state: 'Deleted, node lost',
    when: 'a pod of it is on a lost node',
    health: 'going',
    world: world((made) => {
      intoFirstPhase(made);
      made.lostSince = made.now.toISOString();
      made.delete();
    }),
  },
  {
    state: 'Deleted, ended',
    when: 'no Job and no pod is left',
    health: 'going',
    world: world((made) => {
      intoFirstPhase(made);
      made.delete();
      made.reconcile();
      made.tick();
      made.tick();
    }),
  },
  {
    state: 'Deleted with its run',
    when: 'deletionPolicy is DeleteRun, and no Job and no pod is left',
    health: 'going',
    world: deletingRun(),
  },
  {
    state: 'Run not deleted',
    when: 'the Job that was to delete the run folder failed less than a minute ago',
    health: 'going',
    world: deletingRun({ exitCode: 4, outOfMemory: false, message: 'the bucket is gone' }),
  },
  {
    state: "Another's run",
    when: 'that Job found the folder to be of another training',
    health: 'going',
    world: deletingRun({ exitCode: 2, outOfMemory: false, message: 'it belongs to another training' }),
  },
];

function threeEnds(made: World, exitCode: number, outOfMemory: boolean): void {
  intoFirstPhase(made);
  for (let end = 0; end < 3; end += 1) {
    made.reconcile();
    made.end(exitCode, outOfMemory);
    // The pod is replaced, and has not shown an image yet.
    for (const job of made.jobs) if (job.state === 'active') job.pod = end < 2;
  }
}
