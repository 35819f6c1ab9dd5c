// Presses the button of the confirmation page, in the browser that the sign-up was sent from. A page that is only being
// prepared in the background waits until somebody looks at it.
(function () {
  "use strict";
  function press() {
    var form = document.getElementById("confirm");
    if (!form) return;
    form.elements.how.value = "auto";
    form.submit();
  }
  if (document.prerendering) {
    document.addEventListener("prerenderingchange", press, { once: true });
  } else {
    press();
  }
})();
