"""The chief of several workers: KerasTuner's oracle, served to other processes."""

import time
from concurrent import futures

import grpc
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer

from fmkeras.cli.make_words import in_own_words
from fmkeras.errors import UserError
from tuner.distributed.heartbeat import beat_of
from tuner.distributed.token import TokenCheck, make_token
from tuner.oracles import DurableOracle

# A worker that has not moved for so long is taken for dead, its trial given away.
SILENCE = 60.0
# With no worker at all, the chief gives up; the same command goes on later.
PATIENCE = 600.0


class Servicer(OracleServicer):
    """KerasTuner's, but an error of the oracle ends the chief, not a call alone.

    KerasTuner's locks are not released by an error: a chief that went on would wait
    for them for ever.
    """

    def __init__(self, oracle: DurableOracle) -> None:
        super().__init__(oracle)
        self.error: BaseException | None = None

    def CreateTrial(self, request, context):
        return self._guarded(super().CreateTrial, request, context)

    def EndTrial(self, request, context):
        self._refuse_unknown(request.trial.trial_id, context)
        return self._guarded(super().EndTrial, request, context)

    def UpdateTrial(self, request, context):
        self._refuse_unknown(request.trial_id, context)
        return super().UpdateTrial(request, context)

    def GetTrial(self, request, context):
        self._refuse_unknown(request.trial_id, context)
        return super().GetTrial(request, context)

    def _refuse_unknown(self, trial_id: str, context) -> None:
        """Refuse a trial that this search has not; KerasTuner's own would end."""
        if trial_id not in self.oracle.trials:
            context.abort(grpc.StatusCode.NOT_FOUND, "This search has no such trial.")

    def _guarded(self, method, request, context):
        try:
            return method(request, context)
        except BaseException as error:
            self.error = error
            raise


class Chief:
    """Serves an oracle until its search is complete."""

    def __init__(
        self,
        oracle: DurableOracle,
        address: str,
        silence: float = SILENCE,
        patience: float = PATIENCE,
    ) -> None:
        """Listen at `address`, host:port; port 0 takes a free one."""
        self.oracle = oracle
        self.silence = silence
        self.patience = patience
        self.servicer = Servicer(oracle)
        self._server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=1),
            interceptors=[TokenCheck(make_token(oracle.folder))],
            # By default another chief could listen at the same port.
            options=[("grpc.so_reuseport", 0)],
        )
        service = protos.get_service_grpc()
        service.add_OracleServicer_to_server(self.servicer, self._server)
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise UserError(
                "The chief cannot listen there; expected a free port of this machine: "
                f"give another PORT. Received: {address}"
            ) from error
        self.address = f"{address.rpartition(':')[0]}:{port}"
        # Of each worker the beat seen last, and when it was new.
        self._beats: dict[str, tuple[str | None, float]] = {}
        self._heard = time.monotonic()

    def __enter__(self) -> "Chief":
        self._server.start()
        return self

    def __exit__(self, *reason) -> None:
        self._server.stop(grace=1).wait()

    def is_done(self) -> bool:
        """Watch over the workers; say whether the search is complete.

        A worker that fell silent loses its trial to the next that asks. Raises
        `UserError` where there has been no worker for `patience` seconds, and any
        error of the oracle.
        """
        if self.servicer.error is not None:
            raise self.servicer.error
        known = {*self.oracle.ongoing_trials, *self.oracle.tuner_ids}
        alive = {name for name in known if self._is_alive(name)}
        now = time.monotonic()
        if alive:
            self._heard = now
        if alive != known:
            self.oracle.release(alive)
        if now - self._heard > self.patience:
            raise UserError(
                f"No worker for {self.patience:.0f} seconds; expected "
                f"'{in_own_words('make tune-worker')}' on some machine. What was done "
                f"is kept: the same command goes on. Received: none at {self.address}"
            )
        # Every worker that lives has been told, and has no trial any more.
        return self.servicer.stop_triggered and not alive and not self.oracle.is_open()

    def _is_alive(self, name: str) -> bool:
        beat = beat_of(self.oracle.folder, name)
        before, since = self._beats.get(name, (None, 0.0))
        now = time.monotonic()
        if name not in self._beats or beat != before:
            self._beats[name] = (beat, now)
            return True
        return now - since < self.silence


def join(address: str, patience: float = 120.0) -> None:
    """Raise `UserError` where no chief answers at `address`, host:port."""
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=patience)
        except grpc.FutureTimeoutError as error:
            raise UserError(
                "No chief answers; expected the address that "
                f"'{in_own_words('make tune-chief')}' printed, and the port open. "
                f"Received: CHIEF={address}"
            ) from error
